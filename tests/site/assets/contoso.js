// The wizard keeps its answers in `answers`, fed by events only: a value set behind its back is never sent.
const app = document.getElementById("app");
const answers = {};
let resume = null;

const REQUIRED = {
  "first-step": { first_name: "First name", last_name: "Last name", email: "Email address", phone: "Mobile number", location: "Current location", resume: "Résumé" },
  "second-step": { authorized: "Work authorization", sponsorship: "Sponsorship", motivation: "This answer" },
};

function show(step) {
  app.replaceChildren(document.getElementById(step).content.cloneNode(true));
  app.dataset.step = step;
  app.querySelectorAll("[data-field]").forEach(bindText);
  app.querySelectorAll("[data-combobox]").forEach(bindCombobox);
  app.querySelectorAll("[data-attach]").forEach(bindAttach);
  app.querySelectorAll("[data-pills]").forEach(bindPills);
  app.querySelectorAll("[data-go]").forEach((button) => button.addEventListener("click", () => go(button)));
}

function bindText(input) {
  input.value = answers[input.dataset.field] ?? "";
  input.addEventListener("input", () => { answers[input.dataset.field] = input.value; settle(input); });
}

function bindCombobox(field) {
  const input = field.querySelector("input");
  const list = field.querySelector("ul");
  const name = field.dataset.combobox;
  let active = -1;
  input.value = answers[name] ?? "";

  const close = () => { list.hidden = true; input.setAttribute("aria-expanded", "false"); input.removeAttribute("aria-activedescendant"); active = -1; };
  const choose = (place) => { answers[name] = place; input.value = place; settle(input); close(); };
  const open = () => {
    const text = answers[name] === input.value ? "" : input.value.trim().toLowerCase();
    const found = PLACES.filter((place) => place.toLowerCase().includes(text));
    list.replaceChildren(...found.map((place, index) => {
      const option = document.createElement("li");
      option.id = `${list.id}-${index}`;
      option.setAttribute("role", "option");
      option.setAttribute("aria-selected", String(answers[name] === place));
      option.textContent = place;
      option.addEventListener("mousedown", (event) => event.preventDefault());
      option.addEventListener("click", () => choose(place));
      return option;
    }));
    list.hidden = found.length === 0;
    input.setAttribute("aria-expanded", String(found.length > 0));
  };
  const mark = (index) => {
    const options = [...list.children];
    if (options.length === 0) return;
    active = (index + options.length) % options.length;
    options.forEach((option, at) => option.setAttribute("aria-selected", String(at === active)));
    input.setAttribute("aria-activedescendant", options[active].id);
  };

  input.addEventListener("focus", open);
  input.addEventListener("click", open);
  // Typed text is a search, not an answer: the answer is gone until an option is chosen.
  input.addEventListener("input", () => { delete answers[name]; active = -1; open(); });
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (list.hidden) open();
      mark(active + (event.key === "ArrowDown" ? 1 : -1));
    } else if (event.key === "Enter" && active >= 0) {
      event.preventDefault();
      choose(list.children[active].textContent);
    } else if (event.key === "Escape") {
      close();
    }
  });
  input.addEventListener("blur", () => { close(); input.value = answers[name] ?? ""; });
}

function bindAttach(field) {
  const input = field.querySelector("input");
  const status = field.querySelector(".attached");
  if (resume) status.textContent = `${resume.name} attached`;
  field.querySelector("button").addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    const file = input.files[0];
    if (!file) return;
    status.textContent = `Reading ${file.name} …`;
    const reader = new FileReader();
    reader.onload = () => {
      resume = { name: file.name, content_base64: reader.result.slice(reader.result.indexOf(",") + 1) };
      status.textContent = `${file.name} attached`;
      settle(input);
    };
    reader.onerror = () => { status.textContent = "This file could not be read."; };
    reader.readAsDataURL(file);
  });
}

function bindPills(field) {
  const name = field.dataset.pills;
  const buttons = [...field.querySelectorAll("button")];
  const paint = () => buttons.forEach((button) => {
    const state = button.hasAttribute("aria-checked") ? "aria-checked" : "aria-pressed";
    button.setAttribute(state, String(button.dataset.value === answers[name]));
  });
  buttons.forEach((button) => button.addEventListener("click", () => { answers[name] = button.dataset.value; settle(button); paint(); }));
  paint();
}

// Takes the complaint about a question away once it is answered.
function settle(element) {
  const field = element.closest(".field, .trap");
  field.querySelectorAll(".error").forEach((line) => line.remove());
  field.querySelectorAll("[aria-invalid]").forEach((place) => place.removeAttribute("aria-invalid"));
}

function missing(step) {
  const problems = {};
  for (const [name, label] of Object.entries(REQUIRED[step])) {
    const answered = name === "resume" ? resume : (answers[name] ?? "").trim();
    if (!answered) problems[name] = `${label} is required.`;
  }
  return problems;
}

function complain(problems) {
  app.querySelectorAll(".error, .notice").forEach((old) => old.remove());
  app.querySelectorAll("[aria-invalid]").forEach((old) => old.removeAttribute("aria-invalid"));
  const lost = [];
  for (const [name, text] of Object.entries(problems)) {
    const place = app.querySelector(`[data-field="${name}"], [data-combobox="${name}"] input, [data-attach="${name}"] .attach, [data-pills="${name}"] .pills`);
    if (!place) { lost.push(text); continue; }
    place.setAttribute("aria-invalid", "true");
    const line = document.createElement("p");
    line.className = "error";
    line.textContent = text;
    place.closest(".field, .trap").append(line);
  }
  const notice = document.createElement("div");
  notice.className = "notice";
  notice.setAttribute("role", "alert");
  notice.textContent = ["Please check the form.", ...lost].join(" ");
  app.querySelector("h2").after(notice);
}

async function go(button) {
  if (button.dataset.go === "back") { show("first-step"); return; }
  const problems = missing(app.dataset.step);
  if (Object.keys(problems).length > 0) { complain(problems); return; }
  if (button.dataset.go === "next") { show("second-step"); return; }

  button.disabled = true;
  button.textContent = "Submitting …";
  try {
    const reply = await fetch("/contoso/applications" + location.search, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ fields: answers, resume }),
    });
    if (reply.status === 201) {
      show("last-step");
      app.querySelector("[data-name]").textContent = answers.first_name;
      return;
    }
    complain(reply.status === 422 ? (await reply.json()).problems : { "": "Something went wrong. Please try again later." });
  } catch {
    complain({ "": "We could not reach our server. Please try again later." });
  }
  button.disabled = false;
  button.textContent = "Submit application";
}

show("first-step");
