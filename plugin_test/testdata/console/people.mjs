// People get in each other's way, sessions end, browsers refuse: nothing that was
// typed is lost, and everybody is told.
import { back, check, done, equal, facts, flow, heading, input, launch, makeKey, signedIn, signIn, watch } from "./lib.mjs";

const browser = await launch();
const start = "/settings/api-keys";

// typed are settings that a person types into a form, in fields of every kind.
const typed = { name: "Typed by Ada", description: "typed, too", perMinute: "7", ips: "203.0.113.7\n203.0.113.8", scopes: ["analytics:read", "posts:write"], expiry: "30" };

const open = (page, id) => page.locator(`details:has(#${id})`).evaluateAll((all) => {
  for (const details of all) {
    details.open = true;
  }
});

async function type(page) {
  await open(page, "f-per_minute");
  await open(page, "f-allowed_ips");
  await page.locator("#f-name").fill(typed.name);
  await page.locator("#f-description").fill(typed.description);
  await page.locator("#f-per_minute").fill(typed.perMinute);
  await page.locator("#f-allowed_ips").fill(typed.ips);
  for (const box of await page.locator("input[name=scopes]").all()) {
    await box.setChecked(typed.scopes.includes(await box.getAttribute("value")));
  }
  await page.locator(`#expiry-${typed.expiry}`).check();
}

const inForm = async (page) => ({
  name: await page.locator("#f-name").inputValue(),
  description: await page.locator("#f-description").inputValue(),
  perMinute: await page.locator("#f-per_minute").inputValue(),
  ips: (await page.locator("#f-allowed_ips").inputValue()).replaceAll("\r", ""),
  scopes: await page.locator("input[name=scopes]:checked").evaluateAll((all) => all.map((e) => e.value).sort()),
  expiry: await page.locator("input[name=expiry]:checked").inputValue(),
});

const isTyped = (key) => equal(
  { name: key.name, description: key.description, perMinute: String(key.limits.per_minute), ips: key.allowed_ips.join("\n"), scopes: key.scopes },
  { name: typed.name, description: typed.description, perMinute: typed.perMinute, ips: typed.ips, scopes: typed.scopes }, "the key as it was saved");

for (const script of [true, false]) {
  const mode = script ? "" : ", without the script";

  await flow(`two people change one key${mode}`, async () => {
    const { key } = await makeKey({ name: "shared" });
    const ada = await (await signedIn(browser, "ada", { script })).newPage();
    const bob = await (await signedIn(browser, "bob", { script })).newPage();
    for (const page of [ada, bob]) {
      await page.goto(`${start}/keys/${key.id}/edit`);
    }
    await bob.locator("#f-description").fill("by Bob");
    await bob.locator("#f-name").fill("Named by Bob");
    await bob.getByTestId("save").click();
    await bob.getByTestId("notice").waitFor();

    await type(ada);
    await ada.getByTestId("save").click();
    await ada.getByTestId("clash").waitFor();
    equal(await inForm(ada), typed, "what the second of two people had typed");
    const versions = await ada.locator(".versions tbody").innerText();
    for (const word of ["by Bob", "Named by Bob", typed.name, typed.description, "posts:write", "203.0.113.7"]) {
      check(versions.includes(word), `the two versions lack ${word}: ${versions}`);
    }
    equal((await facts(`/keygate/keys/${key.id}`)).description, "by Bob", "the description that the first saved");

    // A third change, and the second is told again.
    await facts(`/keygate/keys/${key.id}`, "PATCH", { description: "by a third" });
    await ada.getByTestId("save").click();
    await ada.getByText("by a third").waitFor();
    equal(await inForm(ada), typed, "what the second of two people had typed, after one more change");
    await ada.getByTestId("save").click();
    await ada.getByTestId("notice").waitFor();
    isTyped(await facts(`/keygate/keys/${key.id}`));

    // What is done with a key is told as well.
    for (const deed of ["disable", "revoke", "delete", "rotate"]) {
      await ada.goto(`${start}/keys/${key.id}/${deed}`);
      await facts(`/keygate/keys/${key.id}`, "PATCH", { description: `before ${deed}` });
      if (deed === "delete") {
        await ada.locator("#f-confirm").fill(typed.name);
      }
      await ada.locator("main form .button[type=submit]").first().click();
      await ada.getByTestId("clash").waitFor();
      equal((await facts(`/keygate/keys/${key.id}`)).status, "active", `the status after a ${deed} of what had changed`);
    }
    await ada.context().close();
    await bob.context().close();
  });

}

for (const [script, forgets, mode] of [[true, false, ""], [false, false, ", without the script"], [false, true, ", without the script, in a browser that keeps no pages"]]) {
  const browser = await launch({ forgets });
  // The session ends while somebody types: the console itself refuses, or the
  // product sends them to its sign-in.
  for (const [base, how] of [[start, "the page refuses"], ["/redirected", "the product redirects"]]) {
    const away = async (page) => {
      const other = await page.context().newPage(); // in another tab, or where the sign-in is
      await other.goto("/signin?as=ada");
      await other.close();
    };
    // again brings a person whose session has ended back to what they did.
    const again = async (page, button) => {
      if (script) {
        await page.locator("#says").waitFor();
        await away(page);
        await button().click();
      } else if (base === start) {
        await heading(page, "You are not signed in");
        await away(page);
        await page.getByRole("button", { name: "Send it again" }).click();
      } else {
        await heading(page, "Sign in");
        await page.getByRole("link", { name: "As ada" }).click();
        await page.getByRole("link", { name: "As ada" }).waitFor();
        await back(page);
        await back(page);
      }
    };
    const ends = (page) => page.context().clearCookies();

    await flow(`the session ends while a new key is typed: ${how}${mode}`, async () => {
      const page = await (await signedIn(browser, "ada", { script })).newPage();
      await page.goto(`${base}/new`);
      await type(page);
      await ends(page);
      await page.getByTestId("review").click();
      await again(page, () => page.getByTestId("review"));
      if (!script && base !== start) {
        equal(await inForm(page), typed, "what is left of what was typed, after signing in");
        await page.getByTestId("review").click();
      }
      await heading(page, "Check the new key");
      // It ends once more, before the key is made.
      await ends(page);
      await page.getByTestId("create").click();
      await again(page, () => page.getByTestId("create"));
      if (!script && base !== start) {
        await page.getByTestId("create").click();
      }
      await page.getByTestId("token").waitFor();
      const id = (await page.getByTestId("token").textContent()).slice(6, 18);
      isTyped(await facts(`/keygate/keys/${id}`));
      await facts(`/keygate/keys/${id}`, "DELETE");
      await page.context().close();
    });

    await flow(`the session ends while a key is changed: ${how}${mode}`, async () => {
      const { key } = await makeKey({ name: "changed" });
      const page = await (await signedIn(browser, "ada", { script })).newPage();
      await page.goto(`${base}/keys/${key.id}/edit`);
      await type(page);
      await ends(page);
      await page.getByTestId("save").click();
      await again(page, () => page.getByTestId("save"));
      if (!script && base !== start) {
        equal(await inForm(page), typed, "what is left of a change, after signing in");
        await page.getByTestId("save").click();
      }
      await page.getByTestId("notice").waitFor();
      isTyped(await facts(`/keygate/keys/${key.id}`));

      await page.goto(`${base}/keys/${key.id}/delete`);
      await page.locator("#f-confirm").fill(typed.name);
      await ends(page);
      await page.getByTestId("do").click();
      await again(page, () => page.getByTestId("do"));
      if (!script && base !== start) {
        equal(await page.locator("#f-confirm").inputValue(), typed.name, "the name that was typed to delete");
        await page.getByTestId("do").click();
      }
      await page.getByTestId("notice").waitFor();
      await page.context().close();
    });
  }
  await browser.close();
}

await flow("copying", async () => {
  const copy = async (context, base = "") => {
    const page = await context.newPage();
    const { key } = await makeKey({ name: "copied" });
    await page.goto(`${base}${start}/keys/${key.id}/rotate`);
    await page.getByTestId("rotate").click();
    await page.getByTestId("token").waitFor();
    await page.getByTestId("copy").click();
    await page.locator("#copied").filter({ hasText: /./ }).waitFor();
    return { page, said: await page.locator("#copied").textContent(), token: await page.getByTestId("token").textContent() };
  };

  const allowed = await signedIn(browser, "ada", { permissions: ["clipboard-read", "clipboard-write"] });
  const good = await copy(allowed);
  check(good.said.startsWith("Copied"), `after copying it says ${good.said}`);
  equal(await good.page.evaluate(() => navigator.clipboard.readText()), good.token, "what was copied");
  await allowed.close();

  const refused = async ({ page, said, token }, why) => {
    check(said.includes("does not let this page copy"), `${why} it says ${said}`);
    equal(await page.evaluate(() => String(getSelection())), token, `what is selected where ${why}`);
  };
  // A browser that has granted something else alone grants no clipboard.
  const denied = await signedIn(browser, "ada", { permissions: ["geolocation"] });
  await refused(await copy(denied), "copying is denied");
  await denied.close();

  // Without https the browser has no clipboard for pages.
  const plain = await launch({ args: ["--host-resolver-rules=MAP console.test 127.0.0.1"] });
  const site = input.site.replace("127.0.0.1", "console.test");
  const context = await plain.newContext({ baseURL: site });
  await context.addCookies([{ name: "session", value: "ada", url: site }]);
  await watch(context, site);
  await refused(await copy(context, site), "there is no https");
  await plain.close();
});

await browser.close();
done();
