// All pages in all their states, each looked at.
import { call, check, done, facts, flow, heading, input, launch, makeKey, signedIn, signIn } from "./lib.mjs";
import { look } from "./look.mjs";

const browser = await launch();
const context = await signedIn(browser);
const page = await context.newPage();
page.on("dialog", (dialog) => dialog.accept());
const start = "/settings/api-keys";
const { keys } = input;

// visit looks at a page once it has what it must have.
const visit = (name, path, expect, act) => flow(name, async () => {
  await page.goto(path);
  await act?.();
  await page.locator(expect).first().waitFor();
  await look(page, name);
});
const submit = () => page.locator("main form [type=submit]").first().click();

// A life for the history, and a key that is being rotated.
await facts(`/keygate/keys/${keys.rich}`, "PATCH", { limits: { per_minute: 120 } });
await facts(`/keygate/keys/${keys.rich}`, "PATCH", { allowed_ips: ["203.0.113.7", "198.51.100.0/24", "2001:db8::/48"], description: "Runs at Zapier, in the account of the marketing team. Ask Grace or Ada." });
await facts(`/keygate/keys/${keys.rich}/disable`, "POST");
await facts(`/keygate/keys/${keys.rich}/enable`, "POST");
const waiting = await facts(`/keygate/keys/${keys.old}/rotate`, "POST", { overlap: "24h" });
const { key: moved, token: movedToken } = await makeKey({ name: "Weekly newsletter", expires_in_days: 300 });
await call(movedToken, "GET", "/v1/posts");
const { token: usedToken } = await facts(`/keygate/keys/${moved.id}/rotate`, "POST", { overlap: "168h" });
await call(usedToken, "GET", "/v1/posts");

const { key: leaky, token: leakyToken } = await makeKey({ name: "Pasted into a chat" });
await facts("/keygate/leaked", "POST", { text: leakyToken, then: "report" }, { "Keygate-By": "grace@acme.example" });

await visit("list", start, "[data-testid=key-row]");
await visit("list-filters", `${start}/?scope=posts:read&created_by=grace@acme.example`, "[data-testid=key-row]");
await visit("list-nothing-found", `${start}/?q=nothing+is+called+so`, "[data-testid=empty]");
await visit("list-bad-filter", `${start}/?scope=nonsense`, "[data-testid=errors]");
await visit("list-look-only", "/look", "[data-testid=key-row]");
await visit("list-nothing-allowed", "/nothing", "[data-testid=empty]");
await visit("list-empty", "/fresh", "[data-testid=empty]");
await visit("review", `${start}/review`, "[data-testid=review-row]", () => page.locator("main summary").click());
await visit("review-look-only", "/look/review", "[data-testid=review-row]");
await visit("review-empty", "/fresh/review", "[data-testid=empty]");
await visit("review-not-allowed", "/nothing/review", "[data-testid=empty]");
await visit("operator-review", "/all/review", "[data-testid=review-row]");
await visit("edit-proposed", `${start}/keys/${keys.shop}/edit?fix=high_limits`, "[data-testid=save]");
await visit("edit-proposed-expiry", `/all/keys/${keys.soon}/edit?fix=expiring`, "[data-testid=proposed]");
await visit("key-leaked", `${start}/keys/${leaky.id}`, "[data-testid=leak]");
await visit("new", `${start}/new`, "[data-testid=review]");
await visit("new-preset", `${start}/new?preset=publishing`, "[aria-current=true]");
await visit("new-bounded", "/strict/new", "[data-testid=review]");
await visit("new-not-allowed", "/look/new", "[data-testid=empty]");
await visit("new-wrong", "/strict/new", "[data-testid=errors]", async () => {
  await page.locator("#f-description").fill("This is kept.");
  await page.locator("#expiry-custom").check();
  await page.locator("#f-expires_in_days").fill("400");
  await page.locator("#f-allowed_ips").fill("203.0.113.7/8\n10.0.0.300\nhello");
  await page.getByTestId("review").click();
});
await visit("new-opened", `${start}/new`, "[data-testid=review]", async () => {
  for (const summary of await page.locator("main summary").all()) {
    await summary.click();
  }
});

await flow("new-summary to made-already", async () => {
  await page.goto(`${start}/new?preset=reporting`);
  await page.locator("#f-name").fill("Quarterly numbers");
  await page.getByTestId("review").click();
  await heading(page, "Check the new key");
  await look(page, "new-summary");
  await page.getByTestId("create").click();
  await page.getByTestId("token").waitFor();
  await look(page, "new-token");
  await page.reload();
  await heading(page, "This key is made already");
  await look(page, "new-made-already");
});
await visit("new-summary-never", `${start}/new`, "[data-testid=create]", async () => {
  await facts("/keygate/workspaces/acme", "PATCH", { limits: { per_minute: 1000 } });
  await page.goto("/redirected/new?preset=reading");
  await page.locator("#f-name").fill("Wall display");
  await page.locator("#expiry-never").check();
  await page.getByTestId("review").click();
});

for (const role of ["rich", "soon", "unused", "disabled", "expired", "revoked", "shop", "markup", "rightToLeft", "long", "forever"]) {
  await visit(`key-${role}`, `${start}/keys/${keys[role]}`, "#h-use");
}
await visit("key-rich-90", `${start}/keys/${keys.rich}?days=90`, "#h-use", () => page.locator("#use summary").click());
await visit("key-rotating", `${start}/keys/${keys.old}`, "[data-testid=switch]");
await visit("key-rotated", `${start}/keys/${moved.id}`, "[data-testid=switch]");
await visit("key-next", `${start}/keys/${waiting.key.id}`, "#h-use");
await visit("key-saved", `${start}/keys/${keys.rich}?done=saved`, "[data-testid=notice]");
await visit("explain", `${start}/keys/${keys.rich}/explain`, "main form");
await visit("explain-yes", `${start}/keys/${keys.soon}/explain`, "[data-testid=result]", async () => {
  await page.locator("#f-path").fill("/v1/posts");
  await submit();
});
await visit("explain-no", `${start}/keys/${keys.rich}/explain`, "[data-testid=result]", async () => {
  await page.locator("#f-method").selectOption("DELETE");
  await page.locator("#f-path").fill("/v1/posts/42");
  await submit();
});
await visit("explain-wrong", `${start}/keys/${keys.rich}/explain`, "[data-testid=errors]", async () => {
  await page.locator("#f-ip").fill("hello");
  await submit();
});
await visit("edit", `${start}/keys/${keys.rich}/edit`, "[data-testid=save]");
await visit("edit-revoked", `${start}/keys/${keys.revoked}/edit`, "[data-testid=empty]");
await visit("edit-wrong", `${start}/keys/${keys.rich}/edit`, "[data-testid=errors]", async () => {
  await page.locator("#f-name").fill("");
  await page.getByTestId("save").click();
});
await visit("edit-clash", `${start}/keys/${keys.shop}/edit`, "[data-testid=clash]", async () => {
  await page.locator("#f-name").fill("Shop and outlet website");
  await page.locator("input[value='feeds:read']").check();
  await facts(`/keygate/keys/${keys.shop}`, "PATCH", { name: "Shop website (new theme)", limits: { per_minute: 300 } });
  await page.getByTestId("save").click();
});
await visit("rotate", `${start}/keys/${keys.rich}/rotate`, "[data-testid=rotate]");
await visit("rotate-again", `${start}/keys/${keys.old}/rotate`, "[data-testid=again]");
await visit("rotate-disabled", `${start}/keys/${keys.disabled}/rotate`, "[data-testid=empty]");
await visit("rotate-token", `${start}/keys/${keys.soon}/rotate`, "[data-testid=token]", submit);
for (const deed of ["disable", "revoke", "delete"]) {
  await visit(`deed-${deed}`, `${start}/keys/${keys.rich}/${deed}`, "[data-testid=do]");
}
await visit("deed-enable", `${start}/keys/${keys.disabled}/enable`, "[data-testid=do]");
await visit("deed-delete-wrong", `${start}/keys/${keys.long}/delete`, "[data-testid=errors]", async () => {
  await page.locator("#f-confirm").fill("something else");
  await submit();
});
await visit("deed-clash", `${start}/keys/${keys.unused}/disable`, "[data-testid=clash]", async () => {
  await facts(`/keygate/keys/${keys.unused}`, "PATCH", { description: "Still needed!" });
  await submit();
});
await visit("deed-not-allowed", `/look/keys/${keys.rich}/revoke`, "[data-testid=empty]");
await visit("deed-nothing-to-do", `${start}/keys/${keys.disabled}/disable`, "[data-testid=empty]");
await visit("nothing-here", `${start}/keys/000000000000`, "h1");

await visit("operator-list", "/all", "[data-testid=key-row]");
await visit("operator-new", "/all/new", "[data-testid=review]");
await visit("operator-workspaces", "/all/workspaces", "[data-testid=workspace-row]");
await visit("operator-workspaces-wrong", "/all/workspaces?name=not+a+name", "[data-testid=errors]");
await visit("operator-workspace", "/all/workspaces/acme", "[data-testid=save]");
await visit("operator-workspace-wrong", "/all/workspaces/acme", "[data-testid=errors]", async () => {
  await page.locator("#f-per_minute").fill("lots");
  await page.getByTestId("save").click();
});
await visit("operator-key", `/all/keys/${keys.rich}`, "#h-use");

// A workspace with all the keys that it may have.
await flow("full", async () => {
  for (let i = 1; i <= 3; i++) {
    await makeKey({ workspace: "fresh", name: `Key ${i}` });
  }
});
await visit("list-full", "/fresh", "[data-testid=key-row]");
await visit("new-full", "/fresh/new", "main form");

// The session has ended: while looking, and while typing, with the script and
// without.
await visit("session-says", `${start}/new`, "#says:not([hidden])", async () => {
  await page.locator("#f-name").fill("Typed before the session ended");
  await context.clearCookies();
  await page.getByTestId("review").click();
});
await visit("signed-out", start, "h1");
await flow("signed-out-typed", async () => {
  await signIn(context, "ada");
  await page.goto(`${start}/new?preset=reading`);
  await page.locator("#f-name").fill("Typed before the session ended");
  await page.locator("#f-description").fill("Nothing of this is lost.");
  await context.clearCookies();
  await page.locator("main form").evaluate((form) => form.submit()); // as without the script
  await page.getByTestId("typed").waitFor();
  await look(page, "signed-out-typed");
});
check(Object.keys(keys).length > 10, "there is no sample");
await browser.close();
done();
