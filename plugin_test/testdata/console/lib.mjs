// What all scripts share: a browser that notes whatever no page may do, and two
// hands, one for the mouse and one for the keyboard.
import { readFileSync } from "node:fs";
import { request } from "node:http";
import { chromium } from "playwright-core";

export const input = JSON.parse(readFileSync(0, "utf8"));

let looked = 0;
const watched = []; // contexts

// check notes a failure unless the condition holds.
export function check(holds, otherwise) {
  looked++;
  if (!holds) {
    console.log(`FAIL ${otherwise.replace(/\s+/g, " ")}`);
  }
}

export function equal(got, want, what) {
  check(JSON.stringify(got) === JSON.stringify(want), `${what}: ${JSON.stringify(got)}, want ${JSON.stringify(want)}`);
}

// flow runs one thing that people do. Where it cannot go on, the next one begins.
export async function flow(name, act) {
  try {
    looked++;
    await act();
  } catch (error) {
    const line = String(error.stack).match(/\w+\.mjs:\d+/g)?.find((place) => !place.startsWith("lib"));
    check(false, `${name}, ${line}: ${String(error).slice(0, 500)}`);
    for (const page of watched.splice(0).flatMap((context) => context.pages())) {
      const seen = await page.locator("main").innerText({ timeout: 1000 }).catch(() => "nothing to read");
      check(false, `… while ${page.url()} shows ${seen.slice(0, 400)}`);
    }
  }
}

export function done(result) {
  if (result) {
    console.log(`RESULT ${JSON.stringify(result)}`);
  }
  console.log(`LOOKED ${looked} things`);
}

// launch starts the browser. It keeps pages for the way back, as people's browsers
// do, unless it forgets them, as theirs do where memory is short.
export async function launch(options = {}) {
  return chromium.launch(launchOptions(options));
}

export function launchOptions(options = {}) {
  return {
    executablePath: input.chromium,
    args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-proxy-server", "--disable-quic", ...(options.args ?? [])],
    ignoreDefaultArgs: options.forgets ? [] : ["--disable-back-forward-cache"],
  };
}

export const patience = 60_000;

// maxPage is how much a page may weigh with all that it loads, in bytes.
const maxPage = 150 * 1024;

// signedIn makes a context of somebody who is signed in, and watches it.
export async function signedIn(browser, who = "ada", options = {}) {
  const { script = true, ...rest } = options;
  const context = await browser.newContext({ baseURL: input.site, javaScriptEnabled: script, locale: "en-GB", timezoneId: "Europe/Vienna", viewport: { width: 1280, height: 800 }, ...rest });
  if (who) {
    await signIn(context, who);
  }
  watch(context);
  return context;
}

export async function signIn(context, who) {
  await context.addCookies([{ name: "session", value: who, url: input.site, httpOnly: true, sameSite: "Lax" }]);
}

// watch notes what no page may do: ask another origin, break its policy, write an
// error to the console, throw, or weigh too much.
export function watch(context, origin = input.site) {
  watched.push(context);
  context.setDefaultTimeout(patience);
  context.on("request", (request) => {
    check(request.url().startsWith(`${origin}/`) || request.url() === "data:,", `a page asks ${request.url()}`);
  });
  context.on("console", (message) => {
    const status = message.text().startsWith("Failed to load resource: the server responded with a status of 4"); // of a page itself
    const plain = origin !== input.site && message.text().includes("Cross-Origin-Opener-Policy header has been ignored"); // without https
    check(!["error", "warning"].includes(message.type()) || status || plain, `the console of ${message.page()?.url()} says ${message.text()}`);
  });
  context.on("weberror", (error) => check(false, `a page throws ${error.error()}`));
  context.on("response", async (response) => {
    const body = await response.body().catch(() => Buffer.alloc(0)); // a redirect has none
    check(body.length <= maxPage, `${response.url()} weighs ${body.length} bytes`);
  });
  return context.addInitScript(() => {
    addEventListener("securitypolicyviolation", (event) => console.error(`policy violated: ${event.violatedDirective} by ${event.blockedURI} ${event.sample}`));
  });
}

// back and forward go through the history. A page that the browser has kept does
// not load again, so there is no such event to wait for.
export async function back(page) {
  await travel(page, -1);
}

export async function forward(page) {
  await travel(page, 1);
}

async function travel(page, by) {
  const { currentIndex, entries } = await history(page);
  await asked(page, (session) => session.send("Page.navigateToHistoryEntry", { entryId: entries[currentIndex + by].id }));
  const deadline = Date.now() + patience;
  while ((await history(page)).currentIndex !== currentIndex + by || await still(() => page.evaluate(() => document.readyState)) !== "complete") {
    if (Date.now() > deadline) {
      throw new Error(`the browser does not go ${by} in its history`);
    }
  }
}

// history returns what the browser keeps of where a page has been.
export function history(page) {
  return asked(page, (session) => session.send("Page.getNavigationHistory"));
}

async function asked(page, question) {
  return await still(async () => {
    const session = await page.context().newCDPSession(page);
    const answer = await question(session);
    await session.detach();
    return answer;
  });
}

// contentOf returns what a page has.
export function contentOf(page) {
  return still(() => page.content());
}

// still returns an answer that a page has when it stands still: while it gives way to
// another it cannot be asked.
async function still(ask) {
  for (const deadline = Date.now() + patience; ; ) {
    try {
      return await ask();
    } catch (error) {
      if (Date.now() > deadline) {
        throw error;
      }
      await new Promise((go) => setTimeout(go, 10));
    }
  }
}

// heading waits for the page with a heading.
export async function heading(page, name) {
  await page.getByRole("heading", { level: 1, name, exact: true }).waitFor();
}

export function handOf(page, keyboard) {
  return keyboard ? new Keyboard(page) : new Mouse(page);
}

class Mouse {
  constructor(page) {
    this.page = page;
  }
  press(target) {
    return target.click();
  }
  fill(target, text) {
    return target.fill(text);
  }
  tick(target) {
    return target.check();
  }
  choose(target, label) {
    return target.selectOption({ label });
  }
}

// Keyboard uses Tab to get somewhere, Enter and Space there, and within lists of
// choices the arrows, as browsers have it.
class Keyboard {
  constructor(page) {
    this.page = page;
  }

  // reach presses Tab until the target has the focus, which must be seen all the
  // way.
  async reach(target) {
    await target.waitFor();
    const there = await target.elementHandle();
    for (let i = 0; i < 600; i++) {
      if (await there.evaluate((e) => e === document.activeElement)) {
        return;
      }
      await this.page.keyboard.press("Tab");
      const unseen = await this.page.evaluate(focusUnseen);
      check(!unseen, `the focus cannot be seen on ${unseen} at ${this.page.url()}`);
    }
    throw new Error(`Tab never reaches ${target}`);
  }

  async press(target) {
    await this.reach(target);
    const key = await target.evaluate((e) => (e.matches("button, [role=button]") ? "Space" : "Enter"));
    await this.page.keyboard.press(key);
  }

  async fill(target, text) {
    await this.reach(target);
    await this.page.keyboard.press("ControlOrMeta+a");
    await this.page.keyboard.press("Delete");
    await this.page.keyboard.insertText(text);
  }

  async tick(target) {
    if (await target.isChecked()) {
      return;
    }
    const type = await target.getAttribute("type");
    if (type !== "radio") {
      await this.reach(target);
      return this.page.keyboard.press("Space");
    }
    const group = this.page.locator(`input[type=radio][name=${await target.getAttribute("name")}]`);
    const checked = group.and(this.page.locator(":checked"));
    await this.reach((await checked.count()) ? checked : group.first());
    for (let i = await group.count(); i > 0 && !(await target.isChecked()); i--) {
      await this.page.keyboard.press("ArrowDown");
    }
    if (!(await target.isChecked())) {
      throw new Error(`the arrows never reach ${target}`);
    }
  }

  async choose(target, label) {
    await this.reach(target);
    const want = await target.evaluate((e, label) => [...e.options].findIndex((o) => o.label === label), label);
    for (let i = 0; i < 30; i++) {
      const at = await target.evaluate((e) => e.selectedIndex);
      if (at === want) {
        return;
      }
      await this.page.keyboard.press(at < want ? "ArrowDown" : "ArrowUp");
    }
    throw new Error(`the arrows never reach ${label}`);
  }
}

// focusUnseen says on which element the focus is and cannot be seen, or "". It runs
// in the page.
function focusUnseen() {
  const e = document.activeElement;
  if (!e || e === document.body) {
    return "";
  }
  const words = `${e.outerHTML.slice(0, 120)}`;
  const style = getComputedStyle(e);
  if (!e.matches(":focus-visible") || style.outlineStyle === "none" || Number.parseFloat(style.outlineWidth) < 2) {
    return words;
  }
  const box = e.getClientRects()[0] ?? e.getBoundingClientRect();
  const x = Math.min(Math.max(box.left + box.width / 2, 0), innerWidth - 1);
  const y = Math.min(Math.max(box.top + Math.min(box.height / 2, 20), 0), innerHeight - 1);
  if (box.width < 1 || box.height < 1 || box.bottom < 0 || box.top > innerHeight) {
    return `${words} (outside of the window)`;
  }
  const top = document.elementFromPoint(x, y);
  return top && (e.contains(top) || top.contains(e)) ? "" : `${words} (covered by ${top?.outerHTML.slice(0, 80)})`;
}

// ask sends a request as a program does, not as a page, and returns the status and
// the text of the answer.
export function ask(method, url, { headers = {}, body } = {}) {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers }, (answer) => {
      let text = "";
      answer.setEncoding("utf8");
      answer.on("data", (part) => {
        text += part;
      });
      answer.on("end", () => resolve({ status: answer.statusCode, text }));
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

// facts asks the admin endpoint, which tells what is true, or changes it there.
export async function facts(path, method = "GET", body = undefined, more = {}) {
  const headers = body ? { "Content-Type": "application/json", ...more } : more;
  const answer = await ask(method, input.admin + path, { headers, body: body && JSON.stringify(body) });
  if (answer.status >= 300) {
    throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
  }
  return answer.text ? JSON.parse(answer.text) : null;
}

export async function keysNamed(name, workspace = "acme") {
  const found = [];
  let cursor = "";
  do {
    const page = await facts(`/keygate/keys?workspace=${workspace}&limit=1000${cursor && `&cursor=${cursor}`}`);
    found.push(...page.keys.filter((key) => key.name === name));
    cursor = page.next_cursor;
  } while (cursor);
  return found;
}

// makeKey makes a key by the admin endpoint, and returns it with its token.
export function makeKey(settings) {
  return facts("/keygate/keys", "POST", { workspace: "acme", name: "key", scopes: ["posts:read"], expires_in_days: 90, ...settings });
}

// call sends a request to the gateway with a key and returns the status.
export async function call(token, method, path) {
  const answer = await ask(method, input.api + path, { headers: { Authorization: `Bearer ${token}` } });
  return answer.status;
}
