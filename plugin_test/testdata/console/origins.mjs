// Pages of another origin, which the browser sends the visitor's cookies from as
// it is the same host, change nothing and show nothing of the page.
import { createServer } from "node:http";
import { check, done, equal, facts, flow, input, launch, makeKey, signIn } from "./lib.mjs";

const start = `${input.site}/settings/api-keys`;
const { key } = await makeKey({ name: "target" });
const { key: disabled } = await makeKey({ name: "disabled target" });
await facts(`/keygate/keys/${disabled.id}/disable`, "POST");
const etag = "";
const settings = { name: "forged", description: "", expiry: "30", expires_in_days: "", per_minute: "60", per_day: "10000", burst: "", allowed_origins: "", allowed_ips: "", scopes: "posts:read", nonce: "0123456789abcdef0123456789abcdef", etag };
const forms = [
  ["/new", { ...settings, step: "create" }],
  [`/keys/${key.id}/edit`, settings],
  [`/keys/${key.id}/disable`, { etag }],
  [`/keys/${disabled.id}/enable`, { etag }],
  [`/keys/${key.id}/rotate`, { etag, overlap: "0s" }],
  [`/keys/${key.id}/revoke`, { etag }],
  [`/keys/${key.id}/delete`, { etag, confirm: "target" }],
];
const posts = [
  ["/api/keys", { name: "forged", scopes: ["posts:read"] }],
  [`/api/keys/${key.id}/rotate`, { overlap: "0s" }],
  [`/api/keys/${key.id}/revoke`, {}],
  [`/api/keys/${key.id}/disable`, {}],
];

// The other origin: one more port of the host.
const server = createServer((request, response) => {
  response.setHeader("Content-Type", "text/html");
  response.end("<!doctype html><title>elsewhere</title><iframe name=frame></iframe>");
});
await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
const elsewhere = `http://127.0.0.1:${server.address().port}/`;

const browser = await launch();
const context = await browser.newContext();
await signIn(context, "ada");
const all = async () => (await facts("/keygate/keys?limit=1000")).keys.map(({ id, name, status }) => [id, name, status]).sort();
const before = await all();
let refused = 0;
context.on("response", (response) => {
  if (response.url().startsWith(start) && !["stylesheet", "script"].includes(response.request().resourceType())) {
    refused += response.status() === 403 || response.status() === 415 ? 1 : 0;
    check(response.status() >= 400, `another origin is answered ${response.status()} at ${response.url()}`);
  }
});

for (const enctype of ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data"]) {
  for (const [path, fields] of forms) {
    await flow(`a form of another origin to ${path} as ${enctype}`, async () => {
      const page = await context.newPage();
      await page.goto(elsewhere);
      const answered = page.waitForResponse((response) => response.url() === start + path);
      await page.evaluate(({ action, fields, enctype }) => {
        const form = document.createElement("form");
        Object.assign(form, { action, method: "post", enctype });
        for (const [name, value] of Object.entries(fields)) {
          const field = document.createElement("input");
          Object.assign(field, { type: "hidden", name, value });
          form.append(field);
        }
        document.body.append(form);
        form.submit();
      }, { action: start + path, fields, enctype });
      const cookies = (await (await answered).request().allHeaders()).cookie;
      check(cookies?.includes("session=ada"), "the browser does not send the session, so this shows nothing");
      await page.close();
    });
  }
}
const page = await context.newPage();
await flow("scripts of another origin", async () => {
  await page.goto(elsewhere);
  const read = await page.evaluate(async ({ start, posts, forms }) => {
    const read = [];
    for (const mode of ["no-cors", "cors"]) {
      for (const type of ["text/plain", "application/json"]) {
        for (const [path, body] of posts) {
          const answer = await fetch(start + path, { method: "POST", mode, credentials: "include", headers: { "Content-Type": type }, body: JSON.stringify(body) }).catch(() => null);
          read.push(answer?.type === "opaque" ? null : answer && (await answer.text()));
        }
      }
      for (const [path, fields] of forms) {
        const answer = await fetch(start + path, { method: "POST", mode, credentials: "include", body: new URLSearchParams(fields) }).catch(() => null);
        read.push(answer?.type === "opaque" ? null : answer && (await answer.text()));
      }
    }
    return read;
  }, { start, posts, forms });
  equal(read.filter((text) => text !== null), [], "what scripts of another origin read");
});
equal(await all(), before, "the keys after all of this");
check(refused >= 3 * forms.length, `${refused} requests were refused`);

await flow("a frame of another origin", async () => {
  await page.goto(elsewhere);
  context.removeAllListeners("response");
  await page.evaluate((start) => {
    document.querySelector("iframe").src = start;
  }, start);
  const framed = await page.waitForEvent("framenavigated", (frame) => frame.parentFrame() && frame.url() !== "about:blank");
  check(!(await framed.content().catch(() => "")).includes("API keys"), "another origin has the page in a frame");
});
await browser.close();
server.close();
done();
