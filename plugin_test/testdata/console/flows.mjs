// Every flow, by mouse or keyboard, with or without the script.
import { call, check, done, equal, facts, flow, handOf, heading, input, keysNamed, launch, signedIn } from "./lib.mjs";

const browser = await launch();
const context = await signedIn(browser, "ada", { script: input.script });
const page = await context.newPage();
const hand = handOf(page, input.keyboard);
const name = `Nightly report ${input.keyboard} ${input.script}`;
const start = "/settings/api-keys";
const field = (label) => page.getByLabel(label);
const link = (name) => page.getByRole("link", { name, exact: true });
const button = (name) => page.getByRole("button", { name, exact: true });
let token = "";

await flow("making a key", async () => {
  await page.goto(start);
  await hand.press(page.getByTestId("new"));
  await heading(page, "New key");
  await hand.press(page.getByRole("link", { name: /^Reporting job/ }));
  await page.locator("[aria-current=true]").first().waitFor();
  check(await page.locator("input[value='analytics:read']").isChecked(), "the preset ticks nothing");
  await hand.fill(field(/^Description/), "kept by the mistake");
  await hand.tick(page.locator("#expiry-custom"));
  await hand.fill(page.locator("#f-expires_in_days"), "0");
  await hand.press(page.getByTestId("review"));
  await page.getByTestId("errors").waitFor();
  check((await page.getByTestId("errors").textContent()).includes("Write a name"), "nothing says that the name is missing");
  equal(await field(/^Description/).inputValue(), "kept by the mistake", "the description after a mistake");
  check(await page.locator("input[value='analytics:read']").isChecked(), "a mistake loses what was ticked");
  await hand.fill(field("Name"), name);
  await hand.fill(page.locator("#f-expires_in_days"), "40");
  await hand.press(page.getByTestId("review"));
  await heading(page, "Check the new key");
  await hand.press(page.getByTestId("change"));
  await heading(page, "New key");
  equal(await field("Name").inputValue(), name, "the name after going back to change something");
  equal(await page.locator("#f-expires_in_days").inputValue(), "40", "the days after going back to change something");
  await hand.press(page.getByTestId("review"));
  await heading(page, "Check the new key");
  await hand.press(page.getByTestId("create"));
  await page.getByTestId("token").waitFor();
  token = await page.getByTestId("token").textContent();
  check(/^patra_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}$/.test(token), `what is shown is no token: ${token.length} characters`);
  equal(await call(token, "GET", "/v1/posts"), 200, "a request with the new key");
  await hand.press(page.getByTestId("saved"));
  await heading(page, name);
  const [key] = await keysNamed(name);
  equal([key?.scopes, key?.created_by, key?.description], [["analytics:read", "posts:read"], "ada@acme.example", "kept by the mistake"], "the key that was made");
  const days = (new Date(key.expires_at) - new Date(key.created_at)) / 86_400_000;
  equal(Math.round(days), 40, "the days that the key works");
});

await flow("finding it by a prefix from a log", async () => {
  await page.goto(start);
  const prefix = token.slice(0, 18);
  await hand.fill(field("Search"), prefix);
  await hand.press(button("Find"));
  await page.waitForURL(/q=patra_/);
  equal(await page.getByTestId("key-row").count(), 1, "the keys found by a prefix");
  await hand.press(page.getByTestId("key-row").getByRole("link"));
  await heading(page, name);
});

await flow("filters", async () => {
  await page.goto(start);
  await hand.choose(field("Status"), "Revoked");
  await hand.choose(field("Order"), "Longest unused");
  await hand.press(button("Find"));
  await page.waitForURL(/status=revoked/);
  equal(await field("Status").inputValue(), "revoked", "the chosen filter");
  await page.goto(start);
  await hand.press(page.getByText("More filters"));
  await hand.fill(field("Made by"), "nobody");
  await hand.press(button("Find"));
  await page.getByRole("heading", { name: "No key is like that" }).waitFor();
  await hand.press(link("Show all keys"));
  await page.getByTestId("key-row").first().waitFor();
});

const open = async () => {
  const [key] = await keysNamed(name);
  await page.goto(`${start}/keys/${key.id}`);
  await heading(page, name);
};

await flow("changing it", async () => {
  await open();
  await hand.press(link("Change"));
  await heading(page, "Change the key");
  await hand.press(page.locator("summary", { hasText: "Limits" }));
  await hand.fill(page.locator("#f-per_minute"), "x");
  await hand.press(page.getByTestId("save"));
  await page.getByTestId("errors").waitFor();
  equal(await page.locator("#f-per_minute").inputValue(), "x", "what was typed, beside what is wrong with it");
  await hand.fill(page.locator("#f-per_minute"), "30");
  await hand.tick(page.locator("input[value='posts:write']"));
  await hand.press(page.getByTestId("save"));
  await page.getByTestId("notice").waitFor();
  const [key] = await keysNamed(name);
  equal([key.limits.per_minute, key.scopes], [30, ["analytics:read", "posts:read", "posts:write"]], "the key after the change");
});

await flow("following the review", async () => {
  await facts(`/keygate/keys/${(await keysNamed(name))[0].id}`, "PATCH", { expires_in_days: 5 });
  await page.goto(start);
  check((await page.getByTestId("ending").textContent()).includes("within 30 days"), "the list does not say that a key ends soon");
  await hand.press(link("Review"));
  await heading(page, "Review");
  await hand.press(link(`Give it a later end – ${name}`));
  await page.getByTestId("proposed").waitFor();
  equal(await page.locator("#f-expires_in_days").inputValue(), "90", "the days that are proposed");
  await hand.press(page.getByTestId("save"));
  await page.getByTestId("notice").waitFor();
  const [key] = await keysNamed(name);
  check(new Date(key.expires_at) - Date.now() > 80 * 86_400_000, `it ends on ${key.expires_at}`);
  await page.goto(`${start}/review`);
  equal(await page.getByTestId("review-row").filter({ hasText: name }).count(), 0, "the findings about it after that");
});

await flow("asking why a request is refused", async () => {
  await open();
  await hand.choose(page.locator("#f-method"), "DELETE");
  await hand.fill(page.locator("#f-path"), "/v1/posts/1");
  await hand.press(button("Ask"));
  await page.getByTestId("result").waitFor();
  check((await page.getByTestId("result").textContent()).includes("route_not_mapped"), "the answer has no code");
  await hand.choose(page.locator("#f-method"), "GET");
  await hand.press(button("Ask"));
  await page.getByText("Yes, it would pass").waitFor();
});

await flow("reading its use and history", async () => {
  await open();
  await hand.press(link("7 days"));
  await page.waitForURL(/days=7/);
  check((await page.locator("#history").textContent()).includes("ada@acme.example"), "the history does not say who");
});

await flow("disabling and enabling it", async () => {
  await open();
  await hand.press(link("Disable"));
  await heading(page, "Disable this key?");
  await hand.press(page.getByTestId("do"));
  await page.getByTestId("notice").waitFor();
  equal(await call(token, "GET", "/v1/posts"), 401, "a request with a disabled key");
  await hand.press(link("Enable"));
  await heading(page, "Enable this key?");
  await hand.press(page.getByTestId("do"));
  await page.getByTestId("notice").waitFor();
  equal(await call(token, "GET", "/v1/posts"), 200, "a request with an enabled key");
});

await flow("rotating it", async () => {
  await open();
  await hand.press(page.locator("a[href$='/rotate']"));
  await page.getByTestId("rotate").waitFor();
  await hand.tick(page.locator("#overlap-1h"));
  await hand.press(page.getByTestId("rotate"));
  await page.getByTestId("token").waitFor();
  const next = await page.getByTestId("token").textContent();
  equal([await call(token, "GET", "/v1/posts"), await call(next, "GET", "/v1/posts")], [200, 200], "requests with the old and the new key");
  await hand.press(page.getByTestId("saved"));
  await page.getByTestId("switch").waitFor();
  equal((await keysNamed(name)).length, 2, "the keys after rotating");
});

await flow("revoking and deleting it", async () => {
  for (const key of await keysNamed(name)) {
    await page.goto(`${start}/keys/${key.id}`);
    await hand.press(link("Revoke"));
    await heading(page, "Revoke this key for good?");
    await hand.press(page.getByTestId("do"));
    await page.getByTestId("notice").waitFor();
    equal((await facts(`/keygate/keys/${key.id}`)).status, "revoked", "the status");
    await hand.press(link("Delete"));
    await heading(page, "Delete this key?");
    await hand.fill(page.locator("#f-confirm"), "no such name");
    await hand.press(page.getByTestId("do"));
    await page.getByTestId("errors").waitFor();
    equal(await page.locator("#f-confirm").inputValue(), "no such name", "what was typed");
    await hand.fill(page.locator("#f-confirm"), name);
    await hand.press(page.getByTestId("do"));
    await page.getByTestId("notice").waitFor();
  }
  equal((await keysNamed(name)).length, 0, "the keys that are left");
});

await browser.close();
done();
