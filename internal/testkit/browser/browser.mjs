// What tests share that look at pages in a browser as people would. Nothing is judged here; the tests in Go do that.
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const patience = 120_000; // milliseconds: the machine may have much else to do

export const views = [
  { name: "desk", width: 1280, height: 900, colorScheme: "light" },
  { name: "desk-dark", width: 1280, height: 900, colorScheme: "dark" },
  { name: "phone", width: 320, height: 640, colorScheme: "light" },
  { name: "phone-dark", width: 320, height: 640, colorScheme: "dark" },
];

// The arguments of a script: where Chromium is, a folder for pictures or "-", and the script's own.
export const [executablePath, shots, ...args] = process.argv.slice(2);

export const launch = () => chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-dev-shm-usage"], timeout: patience });

// open gives a page, and notes what it complains of and whom it asks for anything.
export async function open(browser, file, view, options = {}) {
  const context = await browser.newContext({
    viewport: { width: view.width, height: view.height }, colorScheme: view.colorScheme, reducedMotion: "reduce", offline: true, ...options,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(patience);
  const said = { page: basename(file), view: view.name, console: [], requests: [] };
  page.on("console", (m) => said.console.push(`${m.type()}: ${m.text()}`));
  page.on("pageerror", (e) => said.console.push(`error: ${e}`));
  page.on("dialog", (d) => { said.console.push(`dialog: ${d.message()}`); d.dismiss(); });
  page.on("request", (r) => { if (!r.isNavigationRequest()) said.requests.push(r.url()); });
  await page.goto("file://" + file);
  return { context, page, said };
}

// check runs every rule of axe, through the debugger: the page's own policy admits no other script.
export async function check(page, colours = true) {
  await page.evaluate(axe);
  return page.evaluate(async (colours) => {
    const found = await globalThis.axe.run(document, {
      runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"], resultTypes: ["violations"], rules: { "color-contrast": { enabled: colours } },
    });
    return found.violations.map((v) => `${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map((n) => n.html.slice(0, 200)).join(" | ")}`);
  }, colours);
}
