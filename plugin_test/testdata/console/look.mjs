// look examines the page that is shown: by axe at WCAG 2.2 AA, in light and dark,
// in forced colours and on a telephone, and takes pictures of it if a folder for
// them is given.
import axe from "axe-core";
import { mkdirSync } from "node:fs";
import { check, input } from "./lib.mjs";

const rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"];

const looks = [
  { name: "light", width: 1280, media: {} },
  { name: "dark", width: 1280, media: { colorScheme: "dark" }, only: ["color-contrast"] },
  { name: "forced colours", width: 1280, media: { forcedColors: "active" }, only: ["color-contrast"] },
  { name: "telephone", width: 360, media: {} },
];

const pictures = [
  { name: "light-1440", width: 1440, media: {} },
  { name: "dark-1440", width: 1440, media: { colorScheme: "dark" } },
  { name: "forced-1440", width: 1440, media: { forcedColors: "active" } },
  { name: "light-768", width: 768, media: {} },
  { name: "light-360", width: 360, media: {} },
  { name: "dark-360", width: 360, media: { colorScheme: "dark" } },
  { name: "zoom200", width: 720, media: {} }, // a window of 1440 at 200 %
];

async function as(page, { width, media }) {
  await page.setViewportSize({ width, height: 900 });
  await page.emulateMedia({ colorScheme: "light", forcedColors: "none", reducedMotion: "reduce", ...media });
}

export async function look(page, name) {
  await page.evaluate(axe.source);
  for (const how of looks) {
    await as(page, how);
    const found = await page.evaluate(
      ({ rules, only }) => globalThis.axe.run(document, { runOnly: only ? { type: "rule", values: only } : { type: "tag", values: rules }, resultTypes: ["violations"] }),
      { rules, only: how.only },
    );
    const said = found.violations.map((v) => `${v.id} (${v.help}) on ${v.nodes.slice(0, 3).map((node) => `${node.html.slice(0, 160)}: ${node.failureSummary}`).join("; ")}`);
    check(said.length === 0, `${name}, ${how.name}: ${said.join(" | ")}`);
    const { wide, over } = await page.evaluate(overflow);
    check(!wide, `${name}, ${how.name}: scrolls sideways, by ${over}`);
  }
  if (input.shots) {
    mkdirSync(input.shots, { recursive: true });
    for (const how of pictures) {
      await as(page, how);
      await page.screenshot({ path: `${input.shots}/${name}-${how.name}.png`, fullPage: true });
    }
  }
  await as(page, looks[0]);
}

// overflow says whether the page is wider than its window, and what is. It runs in
// the page.
export function overflow() {
  const wide = document.scrollingElement.scrollWidth > document.documentElement.clientWidth;
  const over = [...document.querySelectorAll("main *, header *")].find((e) => e.getBoundingClientRect().right > innerWidth + 1);
  return { wide, over: over?.outerHTML.slice(0, 160) ?? "" };
}
