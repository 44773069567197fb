// What a person does with the live page. The functions are called by their names' order.
import assert from "node:assert/strict";

const soon = { timeout: 30_000 };

// What the page says comes to say something else, without a reload.
async function becomes(page, selector, pattern) {
  await page.waitForFunction(([s, p]) => new RegExp(p).test(document.querySelector(s)?.textContent ?? ""), [selector, pattern], soon);
}

export async function a_curves_grow({ page }) {
  await page.waitForSelector(".card .chart polyline", soon);
  await page.selectOption("[data-choose=metric]", "top1");
  await becomes(page, ".card .soft:has(+ .chart)", "^top1");
  await page.evaluate(() => { window.first = document.querySelector(".card .chart"); });
  const points = () => document.querySelector(".card polyline").points.numberOfItems;
  const before = await page.evaluate(points);
  await page.waitForFunction((n) => document.querySelector(".card polyline").points.numberOfItems > n, before, soon);
  assert.equal(await page.inputValue("[data-choose=metric]"), "top1"); // the choice stays
  assert.ok(await page.evaluate(() => window.first.isConnected), "the chart was drawn into, not replaced");
  assert.equal(await page.textContent("#live"), "live");
  await becomes(page, ".card", "step \\d+/2000, train, 1234 images/s");
}

export async function b_runs_are_filtered({ page }) {
  await page.selectOption(".filters [name=cell]", "never");
  await becomes(page, "#list", "1 to 2 of 2 runs");
  await page.selectOption(".filters [name=seed]", "2");
  await becomes(page, "#list", "1 to 1 of 1 run");
  assert.match(page.url(), /cell=never&seed=2/);
  await page.reload();
  await becomes(page, "#list", "1 to 1 of 1 run");
  await page.click("[data-filter-state]");
  await becomes(page, "#list", "of [1-4] run");
  assert.match(page.url(), /\?state=[a-z]+/);
}

export async function c_logs_follow({ page }) {
  const streams = [];
  page.on("request", (r) => { if (r.resourceType() === "eventsource" && r.frame().url().includes("/run/")) streams.push(r.url()); });
  await page.click(".card h3 a");
  await becomes(page, ".log", "stderr process \\d+ begins <b>boldly</b>");
  await becomes(page, "#log-state", "following");
  await page.selectOption("[data-log-choice] [name=kind]", "told");
  assert.equal(await page.locator(".log p.stderr:visible").count(), 0);
  const step = await page.textContent("#state p:nth-of-type(2)");
  await page.waitForFunction((old) => document.querySelector("#state p:nth-of-type(2)").textContent !== old, step, soon);
  assert.equal(streams.length, 1, `a page has one stream, not ${streams}`); // of the browser's six to a server
  await page.selectOption("[data-log-choice] [name=attempt]", "1");
  await becomes(page, ".log", "stderr process \\d+ begins");
  assert.match(streams[1], /&attempt=1$/);
}

// A run is cancelled, so that the next ones are started, and end: the report
// says so by itself. What the viewer has sorted and opened stays.
export async function d_cancel({ page, url }) {
  assert.ok(url.includes("#token="));
  assert.ok(!page.url().includes("token"), "the token is still in the address");
  await page.waitForSelector(".card .controls button", soon);
  await becomes(page, ".counts", "1 running");
  const reported = () => document.querySelector("#report").textContent.length > 200;
  await page.waitForFunction(reported, null, soon);
  await page.click("#table-comparison th button");
  await page.click("#table-comparison th button");
  await page.click("#report .again summary");

  await page.click(".card .controls button");
  await page.waitForSelector("#sure[open]");
  assert.match(await page.textContent("#sure-says"), /^Cancel never, seed 1\?/);
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Leave it");
  await page.keyboard.press("Escape");
  assert.equal(await page.textContent("#answer"), "");
  await page.click(".card .controls button");
  await page.click("#sure .strong");
  await becomes(page, "#answer", "1 run cancelled, 1 of them at work and stopping");
  await becomes(page, ".counts", "1 cancelled");

  await becomes(page, ".counts", "1 completed");
  await becomes(page, "#table-comparison tbody", "pending 1 of 2");
  assert.equal(await page.getAttribute("#table-comparison th", "aria-sort"), "descending");
  assert.ok(await page.evaluate(() => document.querySelector("#report .again").open));
}

// Without the token the page can be looked at, with it the study is paused.
export async function e_pause_and_resume({ page, url }) {
  await page.waitForSelector("#status .controls button", soon);
  const token = await page.evaluate(() => sessionStorage.getItem("ablate-token"));
  await page.evaluate(() => sessionStorage.clear());
  await page.goto(url.split("#")[0]);
  await page.waitForSelector("#unlock input", soon);
  assert.equal(await page.locator(".controls:visible").count(), 0);
  await page.fill("#unlock input", token);
  await page.click("#unlock button");
  await page.waitForSelector("#status .controls button", soon);
  await page.click("#status .controls button:text('Pause')");
  await page.click("#sure .strong");
  await becomes(page, "#answer", "slow is paused");
  await becomes(page, "#status", "paused");
  await page.click("#status .controls button:text('Resume')");
  await page.click("#sure .strong");
  await becomes(page, "#answer", "no longer paused");
}

// An entry of the queue is held back, waits again and is taken out.
export async function f_queue({ page }) {
  for (const [name, answer, state] of [["Pause", "is held", "held"], ["Resume", "is waiting", "waiting"], ["Remove", "is removed", "The queue is empty"]]) {
    await page.getByRole("button", { name: `${name} entry 1` }).click();
    assert.match(await page.textContent("#sure-says"), /^Entry 1, slow: /);
    await page.click("#sure .strong");
    await becomes(page, "#answer", `entry 1, slow, ${answer}`);
    await becomes(page, "#queue", state);
  }
  assert.equal(await page.locator("#queue button").count(), 0);
}
