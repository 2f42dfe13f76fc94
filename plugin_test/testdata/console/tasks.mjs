// The tasks of docs/console.md, each done with exactly the clicks that it says.
// They begin at the list.
import { call, check, done, equal, facts, flow, heading, input, keysNamed, launch, makeKey, signedIn } from "./lib.mjs";

const browser = await launch();
const context = await signedIn(browser, "ada", { permissions: ["clipboard-read", "clipboard-write"] });
const page = await context.newPage();
const clicks = {};
let task = "";

const click = async (target) => {
  clicks[task]++;
  await target.click();
};
const link = (name) => click(page.getByRole("link", { name, exact: true }));
const button = (name) => click(page.getByRole("button", { name, exact: true }));
const keyLink = (name) => click(page.getByTestId("key-row").getByRole("link", { name }));
// choose opens a list of choices and takes one: two clicks.
const choose = async (label, option) => {
  clicks[task] += 2;
  await page.getByLabel(label, { exact: true }).selectOption({ label: option });
};
const rows = async (...names) => {
  await page.getByTestId("key-row").first().waitFor();
  equal((await page.getByTestId("key-row").locator("a").allInnerTexts()).sort(), names.sort(), `${task}: the keys shown`);
};
const does = (name, act) => flow(name, async () => {
  await page.goto("/settings/api-keys");
  task = name;
  clicks[task] = 0;
  await act();
});

const { key: bot, token } = await makeKey({ name: "Publishing bot", expires_in_days: 200 });
await call(token, "GET", "/v1/posts");
await makeKey({ name: "Almost over", expires_in_days: 5 });
const by = await facts("/keygate/keys", "POST", { workspace: "acme", name: "Left behind", scopes: ["posts:read"], expires_in_days: 100 }, { "Keygate-By": "linus@acme.example" });

await does("Make a key for a nightly report", async () => {
  await click(page.getByTestId("new"));
  await click(page.getByRole("link", { name: /^Reporting job/ }));
  await page.getByLabel("Name", { exact: true }).fill("Nightly report");
  await button("Continue");
  await button("Make the key");
  await button("Copy the key");
  await page.locator("#copied").filter({ hasText: "Copied" }).waitFor();
  await link("I have saved it");
  await heading(page, "Nightly report");
  equal(await call(await page.evaluate(() => navigator.clipboard.readText()), "GET", "/v1/analytics/reach"), 200, "a request with the key that was copied");
});
await does("Which key is this prefix in our log?", async () => {
  await page.getByLabel("Search").fill(bot.prefix);
  await button("Find");
  await page.waitForURL(/q=/);
  await rows("Publishing bot");
});
await does("Our bot gets 403: why?", async () => {
  await keyLink("Publishing bot");
  await page.getByLabel("Method").focus();
  await page.keyboard.type("POST");
  await page.getByLabel("Path").fill("/v1/posts");
  await button("Ask");
  check((await page.getByTestId("result").innerText()).includes("posts:write"), "the answer does not name the scope");
});
await does("Rotate a key without an outage", async () => {
  await keyLink("Publishing bot");
  await link("Rotate");
  await button("Rotate the key");
  await button("Copy the key");
  await page.locator("#copied").filter({ hasText: "Copied" }).waitFor();
  await link("I have saved it");
  await page.getByTestId("switch").waitFor();
  const next = await page.evaluate(() => navigator.clipboard.readText());
  equal([await call(token, "GET", "/v1/posts"), await call(next, "GET", "/v1/posts")], [200, 200], "both keys");
});
await does("Somebody has left: which keys did they make?", async () => {
  await click(page.getByText("More filters"));
  await page.getByLabel("Made by").fill("linus@acme.example");
  await button("Find");
  await page.waitForURL(/created_by=linus/);
  await rows("Left behind");
});
await does("Which keys are forgotten?", async () => {
  await choose("Show", "Never used");
  await button("Find");
  await page.waitForURL(/never_used/);
  await rows("Almost over", "Left behind");
});
await does("Which keys are about to end?", async () => {
  await choose("Show", "Expire within 30 days");
  await button("Find");
  await page.waitForURL(/expiring/);
  await rows("Almost over", "Publishing bot"); // the old one of the rotation ends tomorrow
});
await does("What could our keys do without?", async () => {
  await link("Review");
  await page.getByTestId("review-row").first().waitFor();
  check((await page.locator("main").innerText()).includes("Almost over"), "the review leaves out a key that ends soon");
});
await does("A key is about to end and still needed", async () => {
  await link("Review");
  await link("Give it a later end – Almost over");
  await page.getByTestId("proposed").waitFor();
  await button("Save");
  await page.getByTestId("notice").waitFor();
  const [key] = await keysNamed("Almost over");
  check(new Date(key.expires_at) - Date.now() > 80 * 86_400_000, `it ends on ${key.expires_at}`);
});
await does("What is this key for, and who made it?", async () => {
  await keyLink("Left behind");
  await heading(page, "Left behind");
  check((await page.locator("main").innerText()).includes("linus@acme.example"), "the page does not say who made the key");
});
await does("Let a bot in only from its server", async () => {
  await keyLink("Left behind");
  await link("Change");
  await click(page.locator("summary", { hasText: "Where may it be used from?" }));
  await page.getByLabel(/^Addresses/).fill("203.0.113.7");
  await button("Save");
  await page.getByTestId("notice").waitFor();
  equal((await facts(`/keygate/keys/${by.key.id}`)).allowed_ips, ["203.0.113.7"], "the addresses");
});
await does("Pause an integration, and go on with it later", async () => {
  await keyLink("Left behind");
  await link("Disable");
  await button("Disable the key");
  await page.getByTestId("notice").waitFor();
  equal((await facts(`/keygate/keys/${by.key.id}`)).status, "disabled", "the status");
  await link("Enable");
  await button("Enable the key");
  await page.getByTestId("notice").waitFor();
  equal((await facts(`/keygate/keys/${by.key.id}`)).status, "active", "the status");
});
await does("A key has leaked: stop it now", async () => {
  await keyLink("Left behind");
  await link("Revoke");
  await button("Revoke for good");
  await page.getByTestId("notice").waitFor();
  equal((await facts(`/keygate/keys/${by.key.id}`)).status, "revoked", "the status");
});
await browser.close();
done({ clicks });
