// What a control asks, whether it must be answered, and how we know.
const REQUIRED_WORDS = /\(?\b(required|mandatory|erforderlich|pflichtfeld|pflichtangabe|obligatoire|requis|obligatorio|obrigatório|obbligatorio|verplicht|vereist|wymagane|obligatorisk|påkrævet|pakollinen|povinné|обязательно)\b\)?|必須|必填|필수/i;
const OPTIONAL_WORDS = /\(?\b(optional|facultatif|facultative|opcional|facoltativo|optioneel|freiwillig|valgfri|valgfritt|valinnainen|opcjonalne)\b\)?|任意|选填|선택 ?사항/i;
const STAR = /^\s*[*＊∗✱]|[*＊∗✱]\s*:?\s*$|[*＊∗✱]\s*(\n|$)/;
const strip = (text) => clean(text.replace(/[*＊∗✱]+/g, ' ').replace(/[([]\s*(required|optional|mandatory|erforderlich|pflichtfeld|obligatoire|facultatif|obligatorio|opcional|obbligatorio|facoltativo|verplicht|optioneel|必須|任意|必填|选填|필수)\s*[)\]]/gi, ' ')).replace(/\s*:\s*$/, '');

const starBySheet = (el) => ['::before', '::after'].some((part) => /[*＊∗✱]/.test(getComputedStyle(el, part).content));
const labelsOf = (el) => {
  const found = el.labels ? [...el.labels] : [];
  // Custom elements: the label may point at the host, or be an attribute of it.
  const root = el.getRootNode();
  if (!found.length && root instanceof ShadowRoot) {
    const host = root.host;
    if (host.id) found.push(...host.getRootNode().querySelectorAll(`label[for="${CSS.escape(host.id)}"]`));
    const wrapped = closest(host, 'label');
    if (wrapped) found.push(wrapped);
  }
  if (!found.length && el.id && !el.labels) found.push(...el.getRootNode().querySelectorAll(`label[for="${CSS.escape(el.id)}"]`));
  return found;
};

// The accessible name by markup alone: [text, elements it came from].
const named = (el) => {
  const pointed = byIds(el, 'aria-labelledby').filter((it) => it !== el);
  const pointedText = pointed.map((it) => line(it, { seen: true })).filter(Boolean).join(' ');
  if (pointedText) return [pointedText, pointed];
  const labels = labelsOf(el);
  const labelText = labels.map((it) => read(it, { seen: true })).filter(Boolean).join('\n');
  if (labelText) return [labelText, labels];
  const aria = el.getAttribute('aria-label');
  if (aria && aria.trim()) return [clean(aria), []];
  const root = el.getRootNode();
  if (root instanceof ShadowRoot) {
    const host = root.host.getAttribute('label') || root.host.getAttribute('aria-label');
    if (host) return [clean(host), []];
  }
  if (el.title) return [clean(el.title), []];
  return ['', []];
};

// The smallest box that holds only these controls and says something before the first of them.
const card = (members, others) => {
  const set = new Set(members);
  const skip = new Set(members.flatMap((el) => labelsOf(el)));
  let at = parentOf(members[0]);
  for (let depth = 0; at && depth < 9 && at !== document.body && at.tagName !== 'FORM'; depth++, at = parentOf(at)) {
    const box = at;
    if (others.some((el) => !set.has(el) && holds(box, el))) return null;
    if (!members.every((el) => holds(box, el))) continue;
    const text = read(box, { skip, stop: members[0], seen: true });
    if (text) return { box, text };
  }
  return null;
};

// Every reason to believe that a question must be answered.
const evidence = (el, label, sources, box) => {
  const why = [];
  if (el.required || el.hasAttribute?.('required')) why.push('attribute');
  if (el.getAttribute('aria-required') === 'true' || closest(el, '[role=radiogroup],[role=group]')?.getAttribute('aria-required') === 'true') why.push('aria-required');
  const first = label.split('\n')[0];
  if (STAR.test(label) || STAR.test(first)) why.push('asterisk');
  else if (sources.some((it) => starBySheet(it) || [...it.querySelectorAll('*')].some(starBySheet))) why.push('asterisk');
  if (REQUIRED_WORDS.test(label) && label.length < 300) why.push('text');
  const marked = [...sources, box].filter(Boolean);
  if (marked.some((it) => /(^|[\s_-])(is-?)?(required|mandatory)([\s_-]|$)/i.test(String(it.className && it.className.baseVal === undefined ? it.className : '')))) why.push('class');
  if (OPTIONAL_WORDS.test(first)) return why.filter((it) => it === 'attribute' || it === 'aria-required');
  return why;
};
