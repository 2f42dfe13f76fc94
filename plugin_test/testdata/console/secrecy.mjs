// A token is in the answer that made it and nowhere else, whatever the person does
// next: reload, go back and forward, press twice. The browser keeps pages for the
// way back and has a profile on disk, as people's browsers do.
import { readFileSync, readdirSync } from "node:fs";
import { chromium } from "playwright-core";
import { back, check, contentOf, done, equal, flow, forward, heading, history, input, keysNamed, launch, launchOptions, signIn, signedIn, watch } from "./lib.mjs";

const context = await chromium.launchPersistentContext(input.profile, {
  ...launchOptions(), baseURL: input.site, javaScriptEnabled: input.script, viewport: { width: 1280, height: 800 },
});
await signIn(context, "ada");
await watch(context);
const start = "/settings/api-keys";
const page = await context.newPage();
page.on("dialog", (dialog) => dialog.accept()); // leave the page without having copied

// All that goes over the wire, to be looked at when the tokens are known.
const wire = [];
context.on("request", async (request) => {
  wire.push({ what: `the request ${request.method()} ${request.url()}`, text: `${request.url()} ${JSON.stringify(await request.allHeaders().catch(() => request.headers()))}` });
});
const reading = [];
context.on("response", (response) => {
  reading.push((async () => {
    const body = await response.text().catch(() => ""); // a redirect has none
    wire.push({ what: `${response.request().method()} ${response.url()} (${response.status()})`, answer: true, text: `${JSON.stringify(response.headers())} ${body}` });
  })());
});

const tokens = [];
const shown = async () => {
  await page.getByTestId("token").waitFor();
  const token = await page.getByTestId("token").textContent();
  check(/^patra_\w{12}_\w{38}$/.test(token), "what is shown is no token");
  tokens.push(token);
};
const secrets = () => tokens.map((token) => token.slice(-38));
const pageHides = async (when) => {
  const html = await contentOf(page);
  check(!secrets().some((secret) => html.includes(secret)), `${when}, the page has a token: ${page.url()}`);
};
const go = async (how, when) => {
  await how(page);
  await pageHides(when);
};
const fillNew = async (name) => {
  await page.goto(`${start}/new?preset=reporting`);
  await page.getByLabel("Name", { exact: true }).fill(name);
  await page.getByTestId("review").click();
  await heading(page, "Check the new key");
};

await flow("reloading the page of a token", async () => {
  await fillNew("reloaded");
  await page.getByTestId("create").click();
  await shown();
  for (let i = 0; i < 2; i++) {
    await page.reload();
    await heading(page, "This key is made already");
    await pageHides("after a reload");
  }
  equal((await keysNamed("reloaded")).length, 1, "keys after reloads");
});

await flow("back and forward", async () => {
  await fillNew("back and forward");
  await page.getByTestId("create").click();
  await shown();
  await go(back, "after Back");
  await go(forward, "after Back and Forward");
  await go(back, "after Back, Forward and Back");
  if (await page.getByTestId("create").isVisible()) {
    await page.getByTestId("create").click();
    await heading(page, "This key is made already");
    await pageHides("after Back and the button again");
  }
  equal((await keysNamed("back and forward")).length, 1, "keys after Back, Forward and the button again");
});

await flow("back after going on", async () => {
  await fillNew("gone on");
  await page.getByTestId("create").click();
  await shown();
  await page.getByTestId("saved").click();
  await heading(page, "gone on");
  await pageHides("after going on");
  await go(back, "back after going on");
  await go(back, "back twice after going on");
  await go(forward, "forward again");
  await go(forward, "forward twice");
  equal((await keysNamed("gone on")).length, 1, "keys after going back");
});

await flow("pressing twice", async () => {
  await fillNew("pressed twice");
  await page.getByTestId("create").dblclick();
  await page.getByRole("heading", { level: 1, name: /Copy your new key|This key is made already/ }).waitFor();
  if (input.script) {
    await shown(); // without the script the browser shows the second answer
  }
  equal((await keysNamed("pressed twice")).length, 1, "keys after pressing twice");
});

await flow("rotating", async () => {
  const [key] = await keysNamed("reloaded");
  await page.goto(`${start}/keys/${key.id}/rotate`);
  await page.getByTestId("rotate").click();
  await shown();
  await page.reload();
  await page.getByTestId("again").waitFor();
  await pageHides("after reloading a rotation");
  await go(back, "after a rotation and Back");
  await go(forward, "after a rotation, Back and Forward");
  equal((await keysNamed("reloaded")).length, 2, "keys after reloading a rotation");
  if (input.script) {
    await page.goto(`${start}/keys/${(await keysNamed("pressed twice"))[0].id}/rotate`);
    await page.getByTestId("rotate").dblclick();
    await shown();
    equal((await keysNamed("pressed twice")).length, 2, "keys after pressing twice to rotate");
  }
});

await flow("every other page", async () => {
  const [key] = await keysNamed("reloaded");
  for (const path of ["/", `/?q=${tokens[0].slice(0, 18)}`, `/keys/${key.id}`, `/keys/${key.id}/edit`, `/keys/${key.id}/rotate`, `/keys/${key.id}/delete`, `/keys/${key.id}/explain`, "/new"]) {
    await page.goto(start + path);
    await pageHides(`later, at ${path}`);
  }
});

await flow("what the browser keeps", async () => {
  await page.goto(start);
  const kept = await page.evaluate(async () => ({
    local: { ...localStorage }, session: { ...sessionStorage }, cookie: document.cookie,
    databases: (await indexedDB.databases()).length, caches: (await caches.keys()).length, name: window.name, state: history.state,
  }));
  equal(kept, { local: {}, session: {}, cookie: "", databases: 0, caches: 0, name: "", state: null }, "what the page stores");
  equal((await context.cookies()).map((cookie) => cookie.name), ["session"], "cookies");
  const { entries } = await history(page);
  check(entries.length > 10, "the browser has no history");
  check(!secrets().some((secret) => JSON.stringify(entries).includes(secret)), "a token is in the history");
});

await context.close();
await Promise.all(reading);
check(tokens.length >= 4, `${tokens.length} tokens were shown`);

for (const [i, secret] of secrets().entries()) {
  const answers = wire.filter(({ text, answer }) => answer && text.includes(secret)).map(({ what }) => what);
  equal(answers.map((what) => /^POST .*\/(new|rotate) \(200\)$/.test(what)), [true], `the answers with token ${i}, ${answers.join(" and ")}`);
}
for (const { what, text, answer } of wire) {
  check(answer || !secrets().some((secret) => text.includes(secret)), `${what} has a token`);
}
// What the browser has written to its disk.
let files = 0;
for (const entry of readdirSync(input.profile, { recursive: true, withFileTypes: true })) {
  if (entry.isFile()) {
    files++;
    const content = readFileSync(`${entry.parentPath}/${entry.name}`).toString("latin1");
    const wide = content.replaceAll("\0", ""); // UTF-16
    check(!secrets().some((secret) => content.includes(secret) || wide.includes(secret)), `the browser has a token in its file ${entry.name}`);
  }
}
check(files > 20, `the browser has ${files} files`);

// A token that somebody pastes is not said again either.
const browser = await launch();
const pasting = await (await signedIn(browser, "ada", { script: input.script })).newPage();
await flow("pasting a key", async () => {
  const leak = tokens[0];
  await pasting.goto(start);
  await pasting.getByLabel("Search").fill(leak);
  equal(await pasting.getByLabel("Search").inputValue(), input.script ? leak.slice(0, 18) : leak, "what is left of a key in the search");
  await pasting.goto(`${start}/new`);
  for (const id of ["f-name", "f-description", "f-allowed_ips", "f-allowed_origins", "f-per_minute", "f-expires_in_days"]) {
    await pasting.locator(`#${id}`).evaluate((e, leak) => { // some are folded away
      e.value = leak;
    }, leak);
  }
  await pasting.getByTestId("review").click();
  await pasting.getByTestId("errors").waitFor();
  check(!(await contentOf(pasting)).includes(leak.slice(-38)), "a page repeats a key that was pasted into a field");
});
await browser.close();
done({ tokens });
