// Opens pages in a browser as people would, and writes what it saw as JSON. Its arguments are the pages.
// Nothing is judged here; the test in Go does that.
import { basename, join } from "node:path";
import { args as pages, check, launch, open as opened, shots, views } from "./browser.mjs";

const browser = await launch();
const open = (file, view, options) => opened(browser, file, view, options);
const seen = [];
for (const file of pages) {
  if (basename(file) === "large.html") {
    seen.push(await glance(file, views[0]), await glance(file, views[2]));
    continue;
  }
  for (const view of views) if (coloured(file) || view.colorScheme === "light") seen.push(await look(file, view));
  seen.push(await withoutScript(file));
}
await browser.close();
process.stdout.write(JSON.stringify(seen));

// coloured says whether to look at the colours of a page, which takes long for those with many parts: theirs are the same.
function coloured(file) {
  return !["deep.html", "small.html", "wide.html"].includes(basename(file));
}

async function look(file, view) {
  const { context, page, said } = await open(file, view);
  said.width = await page.evaluate(() => document.documentElement.scrollWidth);
  said.motion = await page.evaluate(() => getComputedStyle(document.documentElement).scrollBehavior);
  const name = basename(file, ".html");
  if (shots !== "-") await page.screenshot({ path: join(shots, `${name}-${view.name}.png`), fullPage: true });
  if (view.name === "desk") said.keyboard = await keyboard(page);
  await page.getByRole("button", { name: "Open all" }).click();
  said.openWidth = await page.evaluate(() => document.documentElement.scrollWidth);
  if (shots !== "-") await page.screenshot({ path: join(shots, `${name}-${view.name}-open.png`), fullPage: true });
  if (view.name === "desk") said.links = await links(page);
  said.violations = await check(page, coloured(file));
  if (view.name === "desk") said.printed = await printed(page);
  await context.close();
  return said;
}

// glance looks at a page that is too large for axe to look at all of it.
async function glance(file, view) {
  const { context, page, said } = await open(file, view);
  said.view = "glance";
  said.width = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  await page.getByRole("button", { name: "Open all" }).click();
  said.openWidth = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  said.motion = await page.evaluate(() => getComputedStyle(document.documentElement).scrollBehavior);
  await context.close();
  return said;
}

// keyboard walks the tree and says what each key came to.
async function keyboard(page) {
  const steps = [];
  const at = () => page.evaluate(() => {
    const e = document.activeElement;
    return e.tagName === "SUMMARY" ? `${e.parentElement.open ? "open" : "closed"} ${e.closest("li")?.id ?? ""}` : e.tagName.toLowerCase();
  });
  await page.evaluate(() => document.querySelectorAll(".tree details").forEach((d) => { d.open = false; }));
  const first = page.locator(".tree summary").first();
  if (await first.count() === 0) return steps;
  await page.getByRole("button", { name: "Close all" }).focus();
  for (const key of ["Tab", "Enter", "Enter", "ArrowRight", "ArrowDown", "ArrowRight", "End", "Home", "ArrowDown", "ArrowUp", "ArrowLeft", "Space"]) {
    await page.keyboard.press(key);
    steps.push(`${key}: ${await at()}`);
  }
  return steps;
}

// links follows the links within the page, and says which lead nowhere or to something that stays folded.
async function links(page) {
  await page.getByRole("button", { name: "Close all" }).click();
  return page.evaluate(async () => {
    const broken = [];
    const all = [...document.querySelectorAll('a[href^="#"]')].slice(0, 40);
    for (const a of all) {
      a.click();
      await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
      const target = document.getElementById(a.getAttribute("href").slice(1));
      if (!target?.checkVisibility()) broken.push(a.getAttribute("href"));
    }
    return { followed: all.length, broken };
  });
}

// printed says how many of the values in the tree would be on paper with the tree closed.
async function printed(page) {
  await page.getByRole("button", { name: "Close all" }).click();
  await page.emulateMedia({ media: "print" });
  const counts = await page.evaluate(async () => {
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    const all = [...document.querySelectorAll(".tree pre")];
    return { all: all.length, shown: all.filter((e) => e.checkVisibility({ contentVisibilityAuto: true }) && e.getClientRects().length > 0).length };
  });
  await page.emulateMedia({ media: "screen" });
  return counts;
}

// withoutScript says what can be read where scripts are off: what is folded opens with a click.
async function withoutScript(file) {
  const { context, page, said } = await open(file, { name: "no-script", width: 320, height: 640, colorScheme: "light" }, { javaScriptEnabled: false });
  const folded = page.locator(".tree details:not([open]) > summary").first();
  said.opened = true;
  if (await folded.count() > 0 && await folded.isVisible()) {
    const inside = page.locator(".tree details:not([open])").first();
    const handle = await inside.elementHandle();
    await folded.click();
    said.opened = (await handle.getAttribute("open")) !== null;
  }
  said.result = await page.locator("#result").innerText();
  await context.close();
  return said;
}
