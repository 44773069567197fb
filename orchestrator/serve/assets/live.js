// Keeps a page of the server up to date. The server says what has changed, the
// page fetches its parts again and changes what differs: nothing else moves.
"use strict";
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const one = (selector, within = document) => within.querySelector(selector);

  // patch makes a node what fresh is. What is the same stays: focus, selection,
  // scroll positions and open details with it.
  function patch(node, fresh) {
    if (node.isEqualNode(fresh)) return;
    if (node.nodeType !== fresh.nodeType || node.nodeName !== fresh.nodeName) return node.replaceWith(fresh);
    if (node.nodeType !== Node.ELEMENT_NODE) return void (node.data = fresh.data);
    for (const { name } of [...node.attributes]) if (!fresh.hasAttribute(name) && name !== "open") node.removeAttribute(name);
    for (const { name, value } of fresh.attributes) if (node.getAttribute(name) !== value) node.setAttribute(name, value);
    patchChildren(node, fresh);
    if (node.nodeName === "SELECT") node.value = one("[selected]", node)?.value ?? node.value; // what was chosen last
  }
  function patchChildren(node, fresh) {
    const old = [...node.childNodes], now = [...fresh.childNodes];
    now.forEach((child, i) => (old[i] ? patch(old[i], child) : node.append(child)));
    old.slice(now.length).forEach((child) => child.remove());
  }

  async function fetchText(url, options) {
    const response = await fetch(url, options);
    const text = await response.text();
    if (!response.ok) throw new Error(text.trim());
    return text;
  }
  function parse(html) {
    const holder = document.createElement("template");
    holder.innerHTML = html;
    return holder.content;
  }

  // Parts: each is fetched once at a time, and once more if it changes meanwhile.
  const busy = new Map();
  async function refresh(part) {
    if (busy.has(part)) return void busy.set(part, true);
    busy.set(part, false);
    const url = part.dataset.part + (part.dataset.query ?? "");
    try {
      const fresh = parse(await fetchText(url));
      if (url === part.dataset.part + (part.dataset.query ?? "")) patchChildren(part, fresh);
    } catch (e) {
      if (!(e instanceof TypeError)) part.replaceChildren(problem(e.message)); // the other is a lost connection
    }
    const again = busy.get(part);
    busy.delete(part);
    if (again) refresh(part);
  }
  function problem(text) {
    const p = document.createElement("p");
    p.className = "problem";
    p.textContent = text;
    return p;
  }
  const refreshAll = () => all("[data-part]").forEach(refresh);

  // The report is replaced as a whole, when a run has ended.
  async function refreshReport() {
    const place = one("[data-report]");
    if (!place) return;
    try {
      const html = await fetchText(place.dataset.report);
      if (shown === html) return;
      const open = all("details", place).map((d) => d.open);
      const height = place.offsetHeight;
      place.style.minHeight = `${height}px`; // what is below stays where it is
      place.replaceChildren(parse(html));
      all("details", place).forEach((d, i) => { d.open = open[i] ?? false; });
      window.page.enhance(place);
      place.style.minHeight = "";
      shown = html;
    } catch (e) {
      if (!(e instanceof TypeError)) place.replaceChildren(problem(e.message));
    }
    place.removeAttribute("aria-busy");
  }
  let shown = "";

  // The stream: of what has changed, and of a run's page the log. A hidden page
  // has none: nobody looks at it.
  let stream = null, retry = 0;
  function say(state, text) {
    const place = one("#live");
    if (place.dataset.state === state) return;
    place.dataset.state = state;
    place.textContent = text;
  }
  function connect() {
    const url = document.body.dataset.live;
    clearTimeout(retry);
    if (stream || !url || document.hidden) return;
    stream = new EventSource(url + log.choice());
    stream.addEventListener("open", () => { say("live", "live"); log.begin(); });
    stream.addEventListener("change", changed);
    stream.addEventListener("report", refreshReport);
    stream.addEventListener("lines", (e) => log.add(JSON.parse(e.data)));
    stream.addEventListener("problem", (e) => log.end(e.data));
    stream.addEventListener("end", () => log.end("nothing more for now"));
    stream.addEventListener("error", () => {
      say("lost", "not connected, trying again");
      if (stream?.readyState === EventSource.CLOSED) {
        stream = null;
        retry = setTimeout(connect, 5000);
      }
    });
  }
  function disconnect() {
    clearTimeout(retry);
    stream?.close();
    stream = null;
  }
  function reconnect() {
    disconnect();
    connect();
  }
  async function changed() {
    if (one("[data-reload]")) {
      const response = await fetch("/").catch(() => null);
      if (response?.redirected) location.replace(response.url);
      return;
    }
    refreshAll();
    if (log.goesOn()) reconnect();
  }
  document.addEventListener("visibilitychange", () => (document.hidden ? disconnect() : connect()));
  addEventListener("pagehide", disconnect);
  addEventListener("pageshow", (e) => { if (e.persisted) connect(); });

  // Lists are filtered and paged by the server.
  function queryOf(form, page) {
    const query = new URLSearchParams([...new FormData(form)].filter(([, value]) => value !== ""));
    if (page > 1) query.set("page", page);
    return query.size ? `?${query}` : "";
  }
  function list(form, page) {
    const part = one(form.dataset.filter);
    part.dataset.query = queryOf(form, page);
    history.replaceState(null, "", location.pathname + part.dataset.query + location.hash);
    refresh(part);
  }
  function setUpFilter(form) {
    let wait = 0;
    one(form.dataset.filter).dataset.query = location.search;
    form.addEventListener("submit", (e) => e.preventDefault());
    form.addEventListener("input", () => {
      clearTimeout(wait);
      wait = setTimeout(() => list(form, 1), 200);
    });
    document.addEventListener("click", (e) => {
      const link = e.target.closest("[data-page], [data-filter-state]");
      if (!link || e.ctrlKey || e.metaKey || e.shiftKey) return;
      e.preventDefault();
      if (link.dataset.filterState) {
        form.reset();
        for (const field of form.elements) field.value = "";
        form.elements.state.value = link.dataset.filterState;
        one("#runs").scrollIntoView();
      }
      list(form, Number(link.dataset.page ?? 1));
    });
  }
  document.addEventListener("change", (e) => {
    const name = e.target.dataset?.choose, part = e.target.closest("[data-part]");
    if (!name || !part) return;
    part.dataset.query = `?${new URLSearchParams({ [name]: e.target.value })}`;
    refresh(part);
  });

  // The log of an attempt, as it is written.
  const log = (() => {
    const place = one("[data-log]"), form = one("[data-log-choice]"), keep = 3000;
    if (!place) return { choice: () => "", goesOn: () => false, begin() {} };
    let ended = false;
    const state = (text) => { one("#log-state").textContent = text; };
    function line(l) {
      const p = document.createElement("p"), kind = document.createElement("b");
      p.className = /^[a-z]+$/.test(l.kind) ? l.kind : "";
      kind.textContent = l.kind;
      if (!l.time.startsWith("0001")) {
        const time = document.createElement("time");
        time.dateTime = l.time;
        time.textContent = new Date(l.time).toLocaleTimeString();
        p.append(time, " ");
      }
      p.append(kind, " ", l.text);
      return p;
    }
    function begin() {
      place.replaceChildren();
      state("following");
      ended = false;
    }
    function add(lines) {
      place.append(...lines.map(line));
      while (place.childElementCount > keep) place.firstElementChild.remove();
      if (form.elements.follow.checked) place.scrollTop = place.scrollHeight;
    }
    function end(text) {
      state(text);
      ended = true;
    }
    form.addEventListener("submit", (e) => e.preventDefault());
    form.addEventListener("change", (e) => {
      place.dataset.kind = form.elements.kind.value;
      if (e.target.name === "attempt") reconnect();
    });
    const choice = () => (form.elements.attempt.value ? `&attempt=${form.elements.attempt.value}` : "");
    // Of a run that is at work again there is more to come.
    const goesOn = () => ended && !form.elements.attempt.value && one("[data-state]")?.dataset.state === "running";
    return { choice, goesOn, begin, add, end };
  })();

  // Control, with the token that the address had behind its #. It is kept for
  // this tab, and goes to the server in a header that no other page can send.
  const token = {
    get value() { return sessionStorage.getItem("ablate-token") ?? ""; },
    set value(text) { sessionStorage.setItem("ablate-token", text); },
  };
  const post = (url, body) => fetchText(url, {
    method: "POST", body, headers: { "Content-Type": "application/json", "X-Ablate-Token": token.value },
  });
  let quiet = 0;
  function answer(text) {
    one("#answer").textContent = text;
    clearTimeout(quiet);
    quiet = setTimeout(() => { one("#answer").textContent = ""; }, 12000);
  }
  async function unlock() {
    const root = document.documentElement;
    const right = token.value !== "" && await post("/token").then(() => true, () => false);
    root.classList.toggle("unlocked", right);
    root.classList.toggle("locked", !right);
    return right;
  }
  function sure(text, yes) {
    const dialog = one("#sure"), [no, go] = all("button", dialog);
    one("#sure-says").textContent = text;
    go.textContent = yes;
    dialog.showModal();
    no.focus();
    return new Promise((resolve) => {
      no.onclick = () => dialog.close("");
      go.onclick = () => dialog.close("yes");
      dialog.onclose = () => resolve(dialog.returnValue === "yes");
      dialog.returnValue = "";
    });
  }
  async function ask(button) {
    const wish = button.dataset.ask;
    if (!await sure(button.dataset.says, button.dataset.yes)) return;
    answer("Asked; waiting for the answer.");
    try {
      answer(JSON.parse(await post("/ask", wish)).answer);
    } catch (e) {
      answer(`Not done: ${e.message}`);
    }
    refreshAll();
  }
  function setUpControl() {
    if (!one("#sure")) return;
    const given = new URLSearchParams(location.hash.slice(1)).get("token");
    if (given) {
      token.value = given;
      history.replaceState(null, "", location.pathname + location.search); // it is not to be seen, or shared
    }
    document.addEventListener("click", (e) => {
      const button = e.target.closest("[data-ask]");
      if (button) ask(button);
    });
    const form = one("#unlock");
    form?.removeAttribute("hidden");
    form?.addEventListener("submit", async (e) => {
      e.preventDefault();
      token.value = form.elements.token.value.trim();
      form.reset();
      if (!await unlock()) answer("That is not the token that this page was started with.");
    });
    unlock();
  }

  all("[data-filter]").forEach(setUpFilter);
  setUpControl();
  all("[data-late]").forEach(refresh);
  refreshReport();
  connect();
})();
