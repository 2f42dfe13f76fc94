// The pictures of docs/images, small enough for a repository.
import { writeFileSync } from "node:fs";
import { done, facts, flow, heading, input, launch, signedIn } from "./lib.mjs";

const browser = await launch();
const context = await signedIn(browser, "ada", { viewport: { width: 1200, height: 960 }, reducedMotion: "reduce" });
const page = await context.newPage();
page.on("dialog", (dialog) => dialog.accept());
const start = "/settings/api-keys";

const picture = async (name, colorScheme) => {
  await page.emulateMedia({ colorScheme });
  const session = await context.newCDPSession(page);
  const { data } = await session.send("Page.captureScreenshot", { format: "webp", quality: 70 });
  await session.detach();
  writeFileSync(`${input.shots}/${name}.webp`, Buffer.from(data, "base64"));
};

await flow("pictures", async () => {
  for (const role of ["markup", "rightToLeft", "long"]) { // names that only tests have
    await facts(`/keygate/keys/${input.keys[role]}`, "DELETE");
  }
  await page.goto(start);
  await page.getByTestId("key-row").first().waitFor();
  await picture("list", "light");
  await page.goto(`${start}/review`);
  await page.getByTestId("review-row").first().waitFor();
  await picture("review", "light");
  await page.goto(`${start}/keys/${input.keys.rich}`);
  await page.locator("#h-use").waitFor();
  await picture("key", "dark");
  await page.goto(`${start}/new?preset=reporting`);
  await page.locator("#f-name").fill("Nightly report");
  await picture("new", "light");
  await page.getByTestId("review").click();
  await heading(page, "Check the new key");
  await page.getByTestId("create").click();
  await page.getByTestId("token").waitFor();
  await picture("shown-once", "light");
});
await browser.close();
done();
