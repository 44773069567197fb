// Opens the page that standard input names and prints a line of JSON for each
// thing that was looked at: {"name": "phone", "problems": [...]}.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const { url, chromium: executablePath, modules, steps, shots } = JSON.parse(readFileSync(0, "utf8"));
const require = createRequire(pathToFileURL(modules + "/x.js"));
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const { chromium } = require("playwright-core");

const report = (name, problems) => console.log(JSON.stringify({ name, problems }));
const noise = new Set(); // what no page should do, each once

// What a page may ask for: itself, and what its server has.
function allowed(request) {
  if (request.startsWith("data:")) return true;
  const home = new URL(url);
  return home.protocol === "file:" ? request.split("#")[0] === home.href : new URL(request).origin === home.origin;
}

// The container's root has no sandbox. A machine that is busy with other tests
// takes its time.
const patience = 120_000;
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"], timeout: patience });

async function open({ width = 1440, height = 900, ...options } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, ...options });
  context.setDefaultTimeout(patience);
  const page = await context.newPage();
  page.on("console", (m) => { if (["error", "warning"].includes(m.type())) noise.add(`on the console: ${m.text()}`); });
  page.on("pageerror", (e) => noise.add(`script error: ${e.message}`));
  page.on("request", (r) => { if (!allowed(r.url())) noise.add(`request to ${r.url()}`); });
  page.on("requestfailed", (r) => { // what is given up when a page is left has not failed
    if (allowed(r.url()) && r.failure()?.errorText !== "net::ERR_ABORTED") noise.add(`failed: ${r.url()}: ${r.failure()?.errorText}`);
  });
  await page.goto(url, { waitUntil: "load" });
  return page;
}

// tooWide names the innermost elements that stick out of the window.
function tooWide() {
  const root = document.documentElement;
  if (root.scrollWidth <= root.clientWidth) return [];
  const names = [...document.body.querySelectorAll("*")]
    .filter((e) => e.getBoundingClientRect().right > root.clientWidth + 1 && !e.closest(".scroll, .drawing, pre"))
    .map((e) => e.tagName.toLowerCase() + (e.id ? "#" + e.id : "") + (e.getAttribute("class") ? "." + e.getAttribute("class") : ""));
  return [`${root.scrollWidth} pixels wide in a window of ${root.clientWidth}: ${names.slice(-5).join(", ")}`];
}

async function look(width, colorScheme, height) {
  const page = await open({ width, height, colorScheme, reducedMotion: "reduce" });
  const problems = await page.evaluate(tooWide);
  if (shots) await page.screenshot({ path: `${shots}-${width}-${colorScheme}.png`, fullPage: true });
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  for (const v of violations.filter((v) => ["serious", "critical"].includes(v.impact))) {
    problems.push(...v.nodes.slice(0, 5).map((n) => `${v.id} (${v.impact}): ${n.html}\n${n.failureSummary}`));
  }
  await page.context().close();
  report(`${width} pixels, ${colorScheme}`, problems);
}

for (const colorScheme of ["light", "dark"]) {
  await look(360, colorScheme, 740);
  await look(1440, colorScheme);
}
await look(768, "light", 1024);

for (const file of steps ?? []) {
  for (const [name, test] of Object.entries(await import(pathToFileURL(file)))) {
    const page = await open();
    await test({ page, open, url }).then(() => report(name, []), (e) => report(name, [e.stack]));
    await Promise.all(browser.contexts().map((c) => c.close()));
  }
}
if (shots) {
  const page = await open();
  await page.pdf({ path: `${shots}.pdf`, format: "A4" });
}
report("no noise", [...noise]);
await browser.close();
