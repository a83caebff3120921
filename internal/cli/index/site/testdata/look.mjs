// Looks at a site as people would, and writes what it saw as JSON. Its argument is the folder of the site, then the pages in it.
// Nothing is judged here; the test in Go does that.
import { join } from "node:path";
import { args, check, launch, open, shots, views } from "./browser.mjs";

const [root, ...pages] = args;
const browser = await launch();
const seen = [];
for (const page of pages) for (const view of [views[0], views[3]]) seen.push(await look(page, view));
for (const page of pages) seen.push(await withoutScript(page));
const asked = await ask();
await browser.close();
process.stdout.write(JSON.stringify({ seen, asked }));

async function look(name, view) {
  const { context, page, said } = await open(browser, join(root, name), view);
  said.page = name;
  said.sideways = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  said.motion = await page.evaluate(() => getComputedStyle(document.documentElement).scrollBehavior);
  said.planted = await page.evaluate(() => document.querySelectorAll("img, iframe, object, b.planted").length + (globalThis.planted ? 1 : 0));
  said.links = await page.evaluate(() => [...document.querySelectorAll("a[href]")].map((a) => a.getAttribute("href")));
  await page.evaluate(() => document.querySelectorAll("details").forEach((d) => { d.open = true; }));
  said.openSideways = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  if (shots !== "-") await page.screenshot({ path: join(shots, `${name.replaceAll("/", "-")}-${view.name}.png`), fullPage: true });
  said.violations = await check(page);
  await context.close();
  return said;
}

// withoutScript says what can be read where scripts are off.
async function withoutScript(name) {
  const { context, page, said } = await open(browser, join(root, name), { name: "no-script", width: 320, height: 640, colorScheme: "light" }, { javaScriptEnabled: false });
  said.page = name;
  said.text = await page.locator("main").innerText();
  await context.close();
  return said;
}

// ask searches with the keyboard alone.
async function ask() {
  const { context, page, said } = await open(browser, join(root, "index.html"), views[0]);
  const names = () => page.evaluate(() => [...document.querySelectorAll("section:not([hidden]) .card h3")].map((e) => e.textContent));
  const at = () => page.evaluate(() => `${document.activeElement.tagName.toLowerCase()} ${document.activeElement.id || document.activeElement.textContent}`);
  const status = () => page.getByRole("status").textContent();
  const steps = [];
  const step = async (what) => steps.push({ what, names: await names(), status: await status(), at: await at(), hash: new URL(page.url()).hash });
  await step("opened");
  for (let n = 0; n < 10 && (await at()) !== "input q"; n++) await page.keyboard.press("Tab");
  await page.keyboard.type("argue");
  await step("argue");
  await page.keyboard.press("Enter");
  await step("enter");
  await page.getByRole("searchbox").fill("review");
  await step("review");
  said.violations = await check(page);
  await page.getByRole("checkbox", { name: "verified only" }).press("Space");
  await step("verified");
  await page.getByRole("checkbox", { name: "verified only" }).press("Space");
  await page.getByRole("searchbox").fill("nothing at all");
  await step("nothing");
  await page.getByRole("searchbox").fill("<b class=planted>");
  await step("planted");
  await page.getByRole("searchbox").fill("");
  await page.getByRole("combobox").selectOption("agent");
  await step("agents");
  await page.reload();
  await step("again");
  await page.getByRole("link", { name: "acme/critic" }).click();
  await page.getByRole("heading", { level: 1, name: "acme/critic" }).waitFor();
  await page.getByRole("link", { name: "review", exact: true }).first().click();
  await page.getByRole("heading", { name: "Found" }).waitFor();
  await step("by keyword");
  said.requests = said.requests.filter((r) => !r.startsWith("file:"));
  await context.close();
  return { ...said, steps };
}
