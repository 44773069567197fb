// Uses the page of the example in page_test.go.
import assert from "node:assert/strict";

const names = (page) => page.locator("#table-comparison tbody th").allTextContents();
const head = (page, text) => page.locator("#table-comparison thead th", { hasText: text });
const order = ["bn", "init", "gn+ws", "none"];

export async function sortsByClick({ page }) {
  const top1 = head(page, "linear_top1");
  assert.equal(await top1.getAttribute("aria-sort"), "none");
  assert.deepEqual(await names(page), order);
  await top1.getByRole("button").click();
  assert.equal(await top1.getAttribute("aria-sort"), "ascending");
  assert.deepEqual(await names(page), ["gn+ws", "init", "bn", "none"], "by number, what is not known last");
  await top1.getByRole("button").click();
  assert.equal(await top1.getAttribute("aria-sort"), "descending");
  assert.deepEqual(await names(page), ["bn", "init", "gn+ws", "none"]);
  await head(page, "cell").getByRole("button").click();
  assert.equal(await top1.getAttribute("aria-sort"), "none");
  assert.deepEqual(await names(page), ["bn", "gn+ws", "init", "none"], "by text");
}

export async function sortsByKeyboard({ page }) {
  const top1 = head(page, "linear_top1");
  await top1.getByRole("button").focus();
  await page.keyboard.press("Enter");
  assert.deepEqual(await names(page), ["gn+ws", "init", "bn", "none"]);
  await page.keyboard.press("Space");
  await page.keyboard.press("Enter");
  assert.equal(await top1.getAttribute("aria-sort"), "none");
  assert.deepEqual(await names(page), order, "the study's order again");
}

export async function keepsOrderInNewBody({ page }) {
  await head(page, "linear_top1").getByRole("button").click();
  await page.evaluate(() => {
    const main = document.querySelector("main");
    const rows = [...main.querySelectorAll("#table-comparison tbody tr")].sort((a, b) => a.dataset.place - b.dataset.place);
    rows.forEach((row) => row.parentNode.append(row));
    main.querySelectorAll("thead th").forEach((th) => th.removeAttribute("aria-sort"));
    main.querySelectorAll("thead button").forEach((button) => button.replaceWith(...button.childNodes));
    window.page.enhance(main);
  });
  assert.equal(await head(page, "linear_top1").getAttribute("aria-sort"), "ascending");
  assert.deepEqual(await names(page), ["gn+ws", "init", "bn", "none"]);
}

export async function togglesTheme({ page }) {
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const toggle = page.getByRole("button", { name: "Dark theme" });
  const light = await ground();
  assert.equal(await toggle.getAttribute("aria-pressed"), "false");
  await toggle.click();
  assert.equal(await toggle.getAttribute("aria-pressed"), "true");
  assert.notEqual(await ground(), light);
  const dark = await ground();
  await page.reload();
  assert.equal(await ground(), dark, "the choice is kept");
  await page.getByRole("button", { name: "Dark theme" }).click();
  assert.equal(await ground(), light);
}

export async function copiesCommands({ page }) {
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await page.locator("#again").getByRole("button", { name: "Copy" }).click();
  await page.locator("#again").getByRole("button", { name: "Copied" }).waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), "ablate run 'init'");
}

export async function skipsToTheReport({ page }) {
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to the report");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "main");
}

export async function readsWithoutScript({ open }) {
  const page = await open({ javaScriptEnabled: false });
  assert.equal(await page.locator("#table-comparison tbody tr").count(), 4);
  assert.equal(await page.locator("button:visible").count(), 0, "no button that does nothing");
  assert.match(await page.locator("#claims").innerText(), /73\.9 against 74\.3/);
}

// On a phone a figure is seen whole, and the verdicts without scrolling.
export async function fitsOnAPhone({ open }) {
  const page = await open({ width: 390, height: 844 });
  const cut = await page.locator(".drawing").evaluateAll((all) => all.filter((d) => d.scrollWidth > d.clientWidth).length);
  assert.equal(cut, 0, "figures that have to be scrolled");
  assert.ok(await page.locator(".tally").evaluate((tally) => tally.getBoundingClientRect().bottom) < 300, "the verdicts come late");
}

// The style and the script are allowed by their hashes; were they not, the page
// would be bare.
export async function isStyled({ page }) {
  assert.notEqual(await page.evaluate(() => getComputedStyle(document.querySelector(".verdicts")).borderRadius), "0px");
}

export async function headingsAreInOrder({ page }) {
  const levels = await page.locator("h1, h2, h3, h4").evaluateAll((all) => all.map((h) => Number(h.tagName[1])));
  assert.equal(levels[0], 1);
  levels.forEach((level, i) => assert.ok(i === 0 || level <= levels[i - 1] + 1, `h${level} after h${levels[i - 1]}`));
  assert.equal(levels.filter((l) => l === 1).length, 1);
}
