// Which elements are controls, and of which family.
const TEXTUAL = new Set(['text', 'email', 'tel', 'url', 'number', 'password', 'date', 'month', 'week', 'time', 'datetime-local', 'search']);
const POPUP = 'input[role=combobox],input[aria-autocomplete=list],input[aria-haspopup=listbox],[role=combobox],button[aria-haspopup=listbox],[role=button][aria-haspopup=listbox]';
const CONTROL = 'input,select,textarea,[contenteditable=""],[contenteditable=true],[role=textbox],[role=radio],[role=checkbox],[role=switch],' + POPUP;
const PROXY = /select2|chosen-container|selectize|nice-select|choices|ui-selectmenu|bootstrap-select|ss-main|ts-wrapper/;
const HONEY_NAME = /^(hp|_hp|hp_.*|.*_hp|honey.*|.*honeypot.*|bot[-_]?(field|check|trap)|b_[0-9a-f]{10,}.*|fax_number_confirm|leave[-_]?blank)$/i;
const HONEY_TEXT = /leave (this|it)?\s*(field)?\s*(blank|empty|unchanged)|do not (fill|enter|complete)|don['’]t fill|if you are (a )?human|nicht ausfüllen|frei lassen|ne (pas )?rempli|no rellen|non compilare|niet invullen/i;
const CHROME = 'header,nav,footer,[role=search],[role=banner],[role=navigation],[role=contentinfo],[id*=cookie i],[class*=cookie i],[id*=onetrust i],[class*=gdpr i][role=dialog],[id*=chat-widget i]';

const kindOf = (el) => {
  const role = (el.getAttribute('role') || '').toLowerCase();
  if (el.tagName === 'SELECT') return el.multiple ? 'select_multiple' : 'select';
  if (el.tagName === 'TEXTAREA') return 'textarea';
  if (el.matches(POPUP)) return 'combobox';
  if (el.tagName === 'INPUT') {
    const type = el.type;
    if (type === 'text' && el.readOnly && isPicker(el)) return 'calendar';
    if (['radio', 'checkbox', 'file', 'range'].includes(type)) return type;
    if (type === 'search') return 'text';
    return TEXTUAL.has(type) ? type : null;
  }
  if (role === 'radio') return 'radio';
  if (role === 'checkbox' || role === 'switch') return 'checkbox';
  if (el.isContentEditable) return 'rich_text';
  return null;
};

// A box that cannot be typed into and opens a calendar.
const isPicker = (el) => /flatpickr|date-?picker|calendar/i.test(el.className + ' ' + el.id) || /^(dialog|grid|true)$/.test(el.getAttribute('aria-haspopup') || '')
  || !!el.previousElementSibling?.matches('input.flatpickr-input');

// The library's own widget beside a native select it hides.
const proxyOf = (select) => [select.nextElementSibling, select.previousElementSibling, select.parentElement]
  .find((it) => it && PROXY.test(String(it.className)) && visible(it)) || null;

// What a click should land on when the control itself cannot be seen.
const proxiesOf = (el) => {
  const found = visible(el) && opaque(el) ? [el] : [];
  for (const label of labelsOf(el)) if (visible(label)) found.push(label);
  const next = el.nextElementSibling;
  if (next && visible(next) && !next.matches(CONTROL)) found.push(next);
  const parent = parentOf(el);
  const popup = el.matches(POPUP);
  for (let at = parent, depth = 0; at && depth < (popup ? 4 : 1); at = parentOf(at), depth++) {
    if (everything(at).filter((it) => it.matches(CONTROL) && visible(it) && !holds(it, el) && !holds(el, it)).length) break;
    if (visible(at) && !at.matches('form,fieldset,body')) found.push(at);
  }
  if (!found.includes(el) && visible(el)) found.push(el);
  return found;
};

const isHoneypot = (el, kind) => {
  if (kind === 'file') return false;
  const label = named(el)[0] + ' ' + (el.placeholder || '');
  if (HONEY_TEXT.test(label) || HONEY_NAME.test(el.name || '')) return true;
  const text = !['radio', 'checkbox', 'combobox', 'select', 'select_multiple'].includes(kind);
  const quiet = el.tabIndex < 0 && hiddenFromReaders(el);
  if (quiet && el.tagName !== 'SELECT') return true;
  if (text) {
    if (!visible(el) || !opaque(el) || quiet) return true;
    const box = el.getBoundingClientRect();
    if (box.width < 4 || box.height < 4) return true;
    const clip = getComputedStyle(el);
    if (clip.clipPath === 'inset(50%)' || clip.clip === 'rect(0px, 0px, 0px, 0px)' || clip.clip === 'rect(1px, 1px, 1px, 1px)') return true;
  }
  return false;
};

const isReachable = (el, kind) => {
  if (el.disabled || closest(el, '[inert]')) return false;
  if (el.readOnly && !['combobox', 'date', 'calendar'].includes(kind)) return false;
  if (kind === 'file') return true;
  if (kind === 'radio' || kind === 'checkbox') return proxiesOf(el).length > 0;
  if (kind === 'select' || kind === 'select_multiple') return visible(el) || !!proxyOf(el);
  if (kind === 'combobox') {
    if (visible(el)) return true;
    const parent = parentOf(el);
    return rendered(el) && !!parent && visible(parent);
  }
  return visible(el);
};

const isChrome = (el) => {
  if (el.type === 'search' && !closest(el, 'form')?.querySelector('input[type=email],input[type=file]')) return true;
  const frame = closest(el, CHROME);
  return !!frame && !frame.querySelector('input[type=file]') && !(frame.tagName === 'HEADER' && closest(frame, 'form'));
};

// Words that say how to hand a file over, not which.
const UPLOAD = /^\(?(or )?((upload|attach|choose|select|browse|add|drag|drop|click|replace|enter manually|dropbox|google drive|paste|datei|dateien|hochladen|auswählen|télécharger|choisir|subir|seleccionar|carica|scegli|kies|upload)\b.*|.*\b(drag and drop|drag & drop|drop (it|your|files?) here|auswählen|hochladen|browse)\b.*)$/i;

// A button group keeps its place when the page draws its buttons anew.
const pillBox = new Map();
const heal = (i) => {
  const old = nodes[i], box = pillBox.get(i);
  if (!old || old.isConnected || !box || !box.isConnected) return;
  const text = line(old, { controls: true }) || old.textContent.trim();
  const fresh = [...box.querySelectorAll('button,[role=button]')].find((it) => line(it, { controls: true }) === text);
  if (fresh) { nodes[i] = fresh; ids.set(fresh, i); }
};

// Groups of plain buttons that together are one question ("Yes" / "No").
const YESNO = /^(yes|no|ja|nein|oui|non|s[ií]|nee|tak|nie|sim|não|nej|はい|いいえ|是|否|예|아니요)$/i;
const isPill = (el) => (el.tagName === 'BUTTON' ? el.type !== 'submit' || !el.form || el.hasAttribute('aria-pressed') : true)
  && !el.hasAttribute('aria-haspopup') && visible(el);
const pillGroups = () => {
  const groups = [];
  const seen = new Set();
  for (const button of all('button,[role=button]')) {
    const box = parentOf(button);
    if (!box || seen.has(box)) continue;
    seen.add(box);
    const buttons = [...box.children].filter((it) => it.matches('button,[role=button]') && isPill(it));
    if (buttons.length < 2 || buttons.length > 12) continue;
    const texts = buttons.map((it) => line(it, { controls: true }));
    if (texts.some((text) => !text || text.length > 60)) continue;
    if (box.querySelector('input[type=file]') || texts.some((text) => UPLOAD.test(text))) continue;
    const visibleControls = [...box.querySelectorAll(CONTROL)].filter((it) => visible(it) && !buttons.includes(it));
    if (visibleControls.length) continue;
    const grouped = box.matches('[role=group],[role=radiogroup],fieldset') && named(box)[0];
    const pressed = buttons.some((it) => it.hasAttribute('aria-pressed') || it.hasAttribute('aria-checked'));
    const mirror = box.querySelector('input[type=checkbox],input[type=radio],input[type=hidden]');
    if (!(pressed || mirror || grouped || texts.every((text) => YESNO.test(text)))) continue;
    groups.push({ box, buttons, texts, mirror });
  }
  return groups;
};
