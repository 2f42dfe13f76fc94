// Operators see all workspaces, and set the limits of each: by mouse, and by
// keyboard alone without the script.
import { check, done, equal, facts, flow, handOf, heading, keysNamed, launch, makeKey, signedIn } from "./lib.mjs";

const browser = await launch();
for (const workspace of ["acme", "globex", "initech"]) {
  await makeKey({ workspace, name: `Key of ${workspace}` });
}
for (const [keyboard, script] of [[false, true], [true, false]]) {
  const mode = keyboard ? "keyboard, without the script" : "mouse";
  const context = await signedIn(browser, "ada", { script });
  const page = await context.newPage();
  const hand = handOf(page, keyboard);

  await flow(`the keys of all workspaces, ${mode}`, async () => {
    await page.goto("/all");
    const rows = await page.getByTestId("key-row").allInnerTexts();
    for (const workspace of ["acme", "globex", "initech"]) {
      check(rows.some((row) => row.includes(`Key of ${workspace}`)), `the list lacks the key of ${workspace}`);
    }
    await hand.press(page.getByText("More filters"));
    await hand.fill(page.getByLabel("Workspace", { exact: true }), "globex");
    await hand.press(page.getByRole("button", { name: "Find" }));
    await page.waitForURL(/workspace=globex/);
    equal(await page.getByTestId("key-row").count(), (await facts("/keygate/keys?workspace=globex")).keys.length, "the keys of one workspace");
    await page.goto("/settings/api-keys");
    check(!(await page.locator("main").innerText()).includes("globex"), "the page of one workspace shows another");
  });

  await flow(`a key for a workspace, ${mode}`, async () => {
    const name = `made by an operator, ${mode}`;
    await page.goto("/all");
    await hand.press(page.getByTestId("new"));
    await heading(page, "New key");
    await hand.fill(page.locator("#f-name"), name);
    await hand.tick(page.locator("input[value='posts:read']"));
    await hand.press(page.getByTestId("review"));
    await page.getByTestId("errors").waitFor();
    await hand.fill(page.locator("#f-workspace"), "globex");
    await hand.press(page.getByTestId("review"));
    await heading(page, "Check the new key");
    await hand.press(page.getByTestId("create"));
    await page.getByTestId("token").waitFor();
    await hand.press(page.getByTestId("saved"));
    await heading(page, name);
    equal((await keysNamed(name, "globex")).length, 1, "the keys made for the workspace");
  });

  await flow(`the limits of a workspace, ${mode}`, async () => {
    const limits = async () => (await facts("/keygate/workspaces/globex")).limits;
    await page.goto("/all");
    await hand.press(page.getByRole("link", { name: "Workspaces" }));
    await heading(page, "Workspaces");
    await hand.fill(page.locator("#f-workspace"), "not a name");
    await hand.press(page.getByRole("button", { name: "Open" }));
    await page.getByTestId("errors").waitFor();
    equal(await page.locator("#f-workspace").inputValue(), "not a name", "what was typed as a workspace");
    await hand.fill(page.locator("#f-workspace"), "globex");
    await hand.press(page.getByRole("button", { name: "Open" }));
    await heading(page, "globex");
    await hand.fill(page.locator("#f-per_minute"), "many");
    await hand.fill(page.locator("#f-per_day"), "5000");
    await hand.press(page.getByTestId("save"));
    await page.getByTestId("errors").waitFor();
    equal([await page.locator("#f-per_minute").inputValue(), await page.locator("#f-per_day").inputValue()], ["many", "5000"], "the limits as typed");
    await hand.fill(page.locator("#f-per_minute"), "250");
    await hand.press(page.getByTestId("save"));
    await page.getByTestId("notice").waitFor();
    equal(await limits(), { per_minute: 250, per_day: 5000 }, "the limits as saved");
    await hand.press(page.getByRole("link", { name: "Workspaces" }).first());
    await page.getByTestId("workspace-row").filter({ hasText: "globex" }).waitFor();
    await hand.press(page.getByTestId("workspace-row").getByRole("link", { name: "globex" }));
    await heading(page, "globex");

    // The session ends; what was typed is there afterwards.
    await hand.fill(page.locator("#f-per_minute"), "300");
    await context.clearCookies();
    await hand.press(page.getByTestId("save"));
    await (script ? page.locator("#says") : page.getByTestId("typed")).waitFor();
    const other = await context.newPage();
    await other.goto("/signin?as=ada");
    await other.close();
    await hand.press(script ? page.getByTestId("save") : page.getByRole("button", { name: "Send it again" }));
    await page.getByTestId("notice").waitFor();
    equal((await limits()).per_minute, 300, "the limit that was typed when the session ended");

    await hand.press(page.getByRole("button", { name: "Remove its own limits" }));
    await page.getByTestId("notice").filter({ hasText: "removed" }).waitFor();
    equal((await facts("/keygate/workspaces")).workspaces, [], "the workspaces with limits at the end");
  });
  await context.close();
}
await browser.close();
done();
