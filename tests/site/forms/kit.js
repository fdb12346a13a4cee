// What the pages share: answers are what events committed, and a page confirms only what the server took.
const answers = {};
const commit = (name, value) => { if (value === "" || value == null) delete answers[name]; else answers[name] = value; };
const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const bind = (root = document) => {
  for (const el of $$("input[name],textarea[name],select[name]", root)) {
    if (el.dataset.bound) continue;
    el.dataset.bound = "1";
    const take = () => {
      if (el.type === "file") commit(el.name, el.files[0] ? el.files[0].name : "");
      else if (el.type === "checkbox") {
        const all = $$(`input[type=checkbox][name="${CSS.escape(el.name)}"]`);
        commit(el.name, all.filter((it) => it.checked).map((it) => it.value).join("; "));
      } else if (el.type === "radio") { if (el.checked) commit(el.name, el.value); }
      else if (el.multiple) commit(el.name, [...el.selectedOptions].map((it) => it.value).join("; "));
      else commit(el.name, el.value);
    };
    el.addEventListener("input", take);
    el.addEventListener("change", take);
  }
};
const missing = (names) => names.filter((name) => !answers[name]);
const complain = (names) => {
  $$(".error").forEach((it) => it.remove());
  for (const name of names) {
    const at = $(`[data-card="${CSS.escape(name)}"]`) || $(`[name="${CSS.escape(name)}"]`)?.closest("div") || document.body;
    at.append(Object.assign(document.createElement("p"), { className: "error", textContent: "This field is required." }));
  }
};
const deliver = async (names = []) => {
  const open = missing(names);
  if (open.length) { complain(open); return false; }
  const page = location.pathname.split("/").pop();
  await new Promise((end) => setTimeout(end, 400));
  const reply = await fetch(`/practice/${page}`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(answers) });
  if (!reply.ok) { complain([]); return false; }
  document.body.innerHTML = "<main><h1>Thank you for applying!</h1><p>We have received your application.</p></main>";
  return true;
};
