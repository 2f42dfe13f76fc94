// Names that are markup, that are written from right to left or that have no
// space, many keys and a long history: nothing is run, nothing scrolls sideways,
// and every page is there soon.
import { check, done, equal, flow, input, launch, signedIn } from "./lib.mjs";
import { overflow } from "./look.mjs";

const browser = await launch();
const start = "/settings/api-keys";
const { keys, names, longest, count } = input;

for (const width of [360, 1280]) {
  const context = await signedIn(browser, "ada", { viewport: { width, height: 800 } });
  const page = await context.newPage();
  page.on("dialog", (dialog) => {
    check(dialog.type() === "beforeunload", `something was run: ${dialog.message()}`);
    return dialog.accept();
  });
  const see = async (path) => {
    await page.goto(path);
    await page.locator("h1").waitFor();
    const { wide, over } = await page.evaluate(overflow);
    check(!wide, `at ${width} pixels ${path} scrolls sideways, by ${over}`);
    equal(await page.evaluate(() => document.querySelectorAll("main script, main img, main iframe, main [onerror]").length), 0, `elements at ${path} that a name has made`);
  };
  for (const role of ["markup", "rightToLeft", "long"]) {
    await flow(`the key ${role} at ${width} pixels`, async () => {
      for (const base of [start, "/all"]) {
        for (const path of ["", "/edit", "/rotate", "/disable", "/revoke", "/delete", "/explain"]) {
          await see(`${base}/keys/${keys[role]}${path}`);
          const text = await page.locator("main").innerText();
          check(path === "/edit" || text.includes(names[role]), `${path} of ${role} has the name otherwise: ${text.slice(0, 200)}`);
        }
        await see(`${base}/?q=${encodeURIComponent(names[role])}`);
        equal(await page.getByTestId("key-row").locator("a").allInnerTexts(), [names[role]].concat(base === "/all" ? [] : []), `the rows for the name of ${role}`);
        equal(await page.locator("#q").inputValue(), names[role], `the search for ${role}`);
      }
      // The name goes through a form as it is.
      await see(`${start}/keys/${keys[role]}/edit`);
      equal(await page.locator("#f-name").inputValue(), names[role], "the name in the form");
      await page.getByTestId("save").click();
      await page.getByTestId("notice").waitFor();
      equal(await page.locator("h1").innerText(), names[role], "the name after saving it as it was");
    });
  }
  await flow(`all ${count} keys at ${width} pixels`, async () => {
    const seen = new Set();
    await see(start);
    for (let pages = 1; ; pages++) {
      const rows = await page.getByTestId("key-row").locator("a").evaluateAll((all) => all.map((a) => a.href));
      for (const row of rows) {
        check(!seen.has(row), `${row} is listed twice`);
        seen.add(row);
      }
      const next = page.getByRole("link", { name: "Next page" });
      if (!(await next.isVisible())) {
        check(pages > 3, `${count} keys are on ${pages} pages, the last of which says ${await page.locator("main").innerText()}`);
        break;
      }
      await see(await next.getAttribute("href"));
    }
    equal(seen.size, count, "the keys that are listed");
  });
  await flow(`a long history at ${width} pixels`, async () => {
    await see(`${start}/keys/${longest}`);
    const seen = new Set();
    for (let i = 0; i < 5; i++) {
      for (const change of await page.locator(".history li li").allInnerTexts()) {
        check(!seen.has(change), `the history has twice: ${change}`);
        seen.add(change);
      }
      await see(await page.getByRole("link", { name: "Older" }).getAttribute("href"));
    }
    check(seen.size >= 50, `five pages of the history have ${seen.size} changes`);
  });
  await context.close();
}
await browser.close();
done();
