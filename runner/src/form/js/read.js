// The page as a list of questions, and the present answer of each.
const PLACEHOLDER = /^(|-+|–+|—+|\.{3}|…|(please )?(select|choose|pick)\b.*|bitte (aus)?wählen.*|auswählen.*|choisi.*|sélectionne.*|selecc.*|elij.*|selezion.*|scegli.*|selecione.*|kies.*|selecteer.*|wybierz.*|välj.*|vælg.*|velg.*|選択.*|请选择.*|선택.*)$/i;

const optionLabel = (el) => {
  const [text] = named(el);
  if (text) return strip(text).replace(/\n/g, ' ');
  const own = line(el, { controls: true });
  if (own) return own;
  for (const side of ['nextSibling', 'previousSibling']) {
    let at = el[side];
    while (at && at.nodeType === 3 && !at.data.trim()) at = at[side];
    if (at && at.nodeType === 3) return clean(at.data).replace(/\n/g, ' ');
    if (at && at.nodeType === 1 && !at.matches(CONTROL)) { const found = line(at); if (found) return found; }
  }
  return el.value && el.value !== 'on' ? el.value : '';
};
const isOn = (el) => (el.tagName === 'INPUT' ? el.checked : ['aria-checked', 'aria-pressed', 'aria-selected'].some((name) => el.getAttribute(name) === 'true'));

// What a popup control shows as chosen: its input, or the text its box shows when that is no placeholder.
const committed = (el) => {
  const chips = [];
  let at = el;
  for (let depth = 0; at && depth < 6; depth++, at = parentOf(at)) {
    if (at !== el && everything(at).some((it) => it !== el && it.matches(CONTROL) && visible(it) && !holds(it, el) && !holds(el, it))) break;
    if (at !== el && at.querySelector('label,legend')) break;
    for (const chip of [...at.querySelectorAll('[class*=multi-value__label i],[class*=multiValue i] > :first-child,[class*=chip-label i],[class*=tag-label i],[data-automation-id=selectedItem]')]) {
      const text = line(chip, { controls: true });
      if (text && !chips.includes(text)) chips.push(text);
    }
    if (chips.length) return chips.join('; ');
    const single = at.querySelector('[class*=single-value i],[class*=singleValue i],[class*=selected-value i]');
    if (single && line(single)) return line(single);
  }
  if (el.tagName === 'INPUT') return el.value;
  const skip = new Set([...el.querySelectorAll('[class*=placeholder i],[aria-hidden=true],[role=listbox]')]);
  const own = line(el, { skip, controls: true });
  const inner = el.querySelector('input:not([type=hidden])');
  const text = own || (inner ? inner.value : '');
  const name = named(el)[0];
  return PLACEHOLDER.test(text) || text === name ? '' : text;
};

const errorOf = (el, box) => {
  const near = [...byIds(el, 'aria-errormessage'), ...byIds(el, 'aria-describedby').filter((it) => /error|invalid/i.test(it.id + ' ' + it.className + ' ' + (it.getAttribute('role') || '')))];
  if (box) near.push(...box.querySelectorAll('[class*=error i],[class*=invalid-feedback i],[role=alert]'));
  const texts = near.filter((it) => visible(it) && !it.matches(CONTROL) && !it.querySelector(CONTROL)).map((it) => line(it)).filter(Boolean);
  return texts[0] || '';
};

const choices = (el) => [...el.options].map((option, at) => ({
  label: clean(option.label || option.text).replace(/\n/g, ' '), value: option.value, node: null, index: at, chosen: option.selected,
  blank: option.disabled || option.value === '' || (at === 0 && PLACEHOLDER.test(option.text.trim())),
}));

const heading = (el) => {
  for (let at = el, depth = 0; at && depth < 12; at = parentOf(at), depth++) {
    for (let side = at.previousElementSibling, steps = 0; side && steps < 12; side = side.previousElementSibling, steps++) {
      if (/^H[1-6]$/.test(side.tagName)) return line(side);
      const inner = side.querySelector && side.querySelector('h1,h2,h3,h4,h5');
      if (inner && !side.querySelector(CONTROL)) return line(inner);
    }
  }
  return '';
};

const grouping = (controls) => {
  const groups = new Map();
  const keyOf = (el, kind) => {
    if (kind === 'radio') {
      if (el.tagName === 'INPUT' && el.name) return ['radio', el.name, el.form || el.getRootNode()];
      return ['radio', closest(el, '[role=radiogroup],fieldset,[role=group]') || parentOf(el)];
    }
    const set = closest(parentOf(el) || el, 'fieldset,[role=group]');
    if (el.name && controls.filter((it) => it.el.name === el.name && it.kind === 'checkbox').length > 1) return ['box', el.name, el.form || el.getRootNode()];
    if (set) {
      const inside = controls.filter((it) => holds(set, it.el));
      const title = named(set)[0] || (set.querySelector(':scope > legend') ? 'legend' : '');
      if (title && inside.length > 1 && inside.every((it) => it.kind === 'checkbox')) return ['box', set];
    }
    return null;
  };
  const keys = [];
  for (const control of controls) {
    if (control.kind !== 'radio' && control.kind !== 'checkbox') { groups.set(control, [control]); continue; }
    const key = keyOf(control.el, control.kind);
    if (!key) { groups.set(control, [control]); continue; }
    const known = keys.find((it) => it.key.length === key.length && it.key.every((part, at) => part === key[at]));
    if (known) groups.get(known.first).push(control);
    else { keys.push({ key, first: control }); groups.set(control, [control]); }
  }
  return [...groups.values()];
};

const question = (members, everyControl) => {
  const els = members.map((it) => it.el);
  const [first] = els;
  const many = members[0].kind === 'radio' || members.length > 1;
  const around = card(els, everyControl);
  let text = '', sources = [];
  if (many) {
    const set = closest(parentOf(first) || first, 'fieldset,[role=radiogroup],[role=group]');
    if (set && els.every((el) => holds(set, el))) {
      [text, sources] = named(set);
      const legend = set.querySelector(':scope > legend, :scope > * > legend');
      if (!text && legend) { text = read(legend, { seen: true }); sources = [legend]; }
    }
  } else {
    [text, sources] = named(first);
  }
  if (!text && around) { text = around.text; sources = [around.box]; }
  if (!text) text = first.placeholder || '';
  if (!text) text = (first.name || first.id || '').replace(/[_\-[\].]+/g, ' ').replace(/([a-z])([A-Z])/g, '$1 $2').trim();
  const lines = strip(text).split('\n').map((it) => it.trim()).filter((it) => it && !/^(required|optional)$/i.test(it));
  const help = [lines.slice(1).join(' '), ...byIds(first, 'aria-describedby').filter((it) => visible(it) && !unseen(it)).map((it) => line(it, { seen: true }))].filter(Boolean).join(' ');
  const box = around ? around.box : parentOf(first);
  const marks = around && !text.includes(around.text) ? around.text + '\n' + text : text;
  return { question: lines[0] || '', help, box, why: [...new Set(els.flatMap((el) => evidence(el, marks, sources, many ? box : null)))] };
};

// The name of the closest named group around a control that is larger than the control's own card.
const groupOf = (el) => {
  for (let at = parentOf(el), depth = 0; at && depth < 12; at = parentOf(at), depth++) {
    if (!at.matches('[role=group],[role=region],fieldset,section')) continue;
    const legend = at.querySelector(':scope > legend');
    const text = named(at)[0] || (legend ? line(legend, { seen: true }) : '');
    if (text) return strip(text).split('\n')[0];
  }
  return '';
};

// Which part of a date a control is, when a date is split over several.
const PARTS = [['month', /^(mm?|month|monat|mois|mes|mese|maand)$/i], ['day', /^(dd?|day|tag|jour|día|dia|giorno|dag)$/i], ['year', /^(yyyy|yy|year|jahr|jjjj|année|año|anno|jaar|ano)$/i]];
const partOf = (el, text) => {
  const own = [text, el.getAttribute('aria-label') || '', el.placeholder || '', (el.getAttribute('data-automation-id') || '').replace(/^dateSection|-input$/g, ''), el.tagName === 'SELECT' && el.options[0] ? el.options[0].text : ''];
  for (const [part, words] of PARTS) if (own.some((it) => words.test(it.trim().replace(/[*:]+$/, '').trim()))) return part;
  return '';
};
const splitDate = (el, text) => {
  const part = partOf(el, text);
  if (!part) return null;
  for (let at = parentOf(el), depth = 0; at && depth < 5; at = parentOf(at), depth++) {
    const inside = everything(at).filter((it) => it.matches('input:not([type=hidden]),select') && visible(it));
    if (inside.length < 2) continue;
    if (inside.length > 3 || !inside.every((it) => partOf(it, named(it)[0]))) return null;
    const box = closest(at, '[role=group],fieldset') || at;
    const legend = box.querySelector('legend');
    const label = named(box)[0] || (legend ? read(legend, { seen: true }) : '') || card(inside, [])?.text || '';
    return label ? { part, label, box, first: inside[0] } : null;
  }
  return null;
};

// What a file is for: the words around its input that do not merely say how to upload.
const fileQuestion = (el) => {
  for (let at = el, depth = 0; at && depth < 7 && at !== document.body && at.tagName !== 'FORM'; at = parentOf(at), depth++) {
    if (everything(at).some((it) => it !== el && it.matches(CONTROL) && (it.type === 'file' || visible(it)) && !it.matches('button'))) return null;
    const lines = (at === el ? named(el)[0] : read(at, {})).split('\n').map((it) => it.trim()).filter((it) => it && !UPLOAD.test(strip(it)) && !/^[*✱]$/.test(it));
    const stars = /[*✱]/.test(read(at, {}));
    if (lines.length) return { text: (stars && !/[*✱]/.test(lines[0]) ? '* ' : '') + lines.join('\n'), box: at };
  }
  return null;
};

// The control that a hidden input only repeats: the one it shares its closest box with.
const repeatedBy = (mirror, controls) => {
  for (let at = parentOf(mirror), depth = 0; at && depth < 4 && at.tagName !== 'FORM'; at = parentOf(at), depth++) {
    const inside = controls.filter((el) => holds(at, el));
    if (inside.length) return inside.length === 1 ? inside[0] : null;
  }
  return null;
};

// The dialogs that have to be answered first.
let modals = [];
const lookForModals = () => { modals = all('dialog,[aria-modal=true]').filter((box) => (box.matches(':modal') || box.getAttribute('aria-modal') === 'true') && visible(box)); };
const isCovered = (el) => modals.some((box) => !holds(box, el));

const describe = (members, everyControl, mirrors) => {
  const { el, kind } = members[0];
  let { question: text, help, box, why } = question(members, everyControl);
  const split = kind === 'select' || TEXTUAL.has(kind) ? splitDate(el, text) : null;
  if (split) {
    text = strip(split.label).split('\n')[0];
    why = [...new Set([...why, ...evidence(split.first, split.label, [split.box], null)])];
  }
  if (kind === 'file') {
    const wanted = fileQuestion(el);
    if (wanted) { const lines = strip(wanted.text).split('\n'); text = lines[0]; help = lines.slice(1).join(' '); why = [...new Set([...why, ...evidence(el, wanted.text, [], null)])]; }
  }
  if (kind === 'combobox' && mirrors.some((mirror) => repeatedBy(mirror, everyControl) === el)) why.push('mirror');
  const grouped = kind === 'radio' || members.length > 1;
  const field = {
    node: id(el), kind: kind === 'checkbox' && grouped ? 'checkbox_group' : kind, question: text, help, required: [...new Set(why)], options: [],
    value: '', name: el.name || el.id || el.getAttribute('data-automation-id') || '', autocomplete: (el.getAttribute('autocomplete') || '').toLowerCase(),
    placeholder: el.placeholder || '', section: heading(el), max_length: el.maxLength > 0 ? el.maxLength : null,
    part: split ? split.part : '', group: groupOf(split ? split.box : el), chooser: false,
    multiple: !!el.multiple || !!closest(el, '[class*=is-multi],[class*=--multi],[aria-multiselectable=true],[data-automation-id=multiSelectContainer]'), form: el.form || closest(el, 'form') ? id(el.form || closest(el, 'form')) : null, error: errorOf(el, box),
  };
  if (kind === 'select' || kind === 'select_multiple') field.options = choices(el);
  if (grouped || kind === 'checkbox') field.options = members.map((it) => ({ label: optionLabel(it.el), value: it.el.value || '', node: id(it.el), index: 0, chosen: isOn(it.el), blank: false }));
  field.covered = isCovered(el);
  field.value = gh.value(field);
  return field;
};

// The present answer of a field as a person reads it.
gh.value = (field) => {
  const el = nodes[field.node];
  if (!el) return '';
  switch (field.kind) {
    case 'select': case 'select_multiple':
      return [...el.selectedOptions].filter((it) => !(it.value === '' || it.disabled || (it.index === 0 && PLACEHOLDER.test(it.text.trim())))).map((it) => clean(it.text)).join('; ');
    case 'radio': case 'checkbox_group': case 'buttons':
      field.options.forEach((it) => heal(it.node));
      return field.options.filter((it) => nodes[it.node] && isChosen(nodes[it.node], field.kind)).map((it) => it.label).join('; ');
    case 'checkbox': return isOn(el) ? 'true' : '';
    case 'file': return el.files ? [...el.files].map((it) => it.name).join('; ') : '';
    case 'rich_text': return clean(el.innerText || '');
    case 'combobox': return committed(el);
    default: return el.value === undefined ? '' : el.value;
  }
};
const isChosen = (el, kind) => isOn(el) || (kind === 'buttons' && !el.hasAttribute('aria-pressed') && /(^|[\s_-])(active|selected|checked|is-active|is-selected)([\s_-]|$)/i.test(String(el.className)));

// A place that takes a file and has no input until it is clicked.
const dropzones = (found) => all('[role=button],button,[class*=dropzone i],[class*=drop-zone i]').filter((el) => {
  const text = line(el, { controls: true });
  if (!visible(el) || text.length > 120 || !/drag (and|&) drop|drop your|browse|upload|attach|hochladen|télécharger/i.test(text)) return false;
  for (let at = el, depth = 0; at && depth < 4 && at.tagName !== 'FORM' && at !== document.body; at = parentOf(at), depth++) if (everything(at).some((it) => it.matches('input[type=file]'))) return false;
  return !found.some((it) => it.kind === 'file' && holds(el, it.el)) && !all('[role=button],button').some((it) => it !== el && holds(el, it));
});

gh.fields = () => {
  lookForModals();
  const found = [], mirrors = [];
  for (const el of all(CONTROL)) {
    const kind = kindOf(el);
    if (kind === 'select' && !visible(el) && choices(el).every((it) => it.blank)) {
      const opener = proxyOf(el)?.querySelector('[role=combobox]');
      if (opener && visible(opener)) continue; // its list comes from a server: the opener is the control
    }
    if (!kind || isChrome(el)) continue;
    if ((el.required || el.getAttribute('aria-required') === 'true') && el.tabIndex < 0 && hiddenFromReaders(el) && el.tagName === 'INPUT') mirrors.push(el);
    if (!isReachable(el, kind) || isHoneypot(el, kind)) continue;
    found.push({ el, kind });
  }
  const natives = found.filter((it) => it.kind.startsWith('select') && !visible(it.el)).map((it) => proxyOf(it.el)).filter(Boolean);
  const pills = pillGroups();
  const controls = found.filter(({ el, kind }) => {
    if (natives.some((box) => holds(box, el) && !el.matches('select'))) return false;
    if (pills.some((group) => holds(group.box, el))) return false;
    if (kind === 'combobox' && found.some((it) => it.el !== el && it.kind === 'combobox' && holds(el, it.el))) return false;
    return !found.some((it) => it.el !== el && it.kind === kind && ['radio', 'checkbox'].includes(kind) && holds(it.el, el));
  });
  const every = [...controls.map((it) => it.el), ...pills.flatMap((it) => it.buttons)];
  const fields = grouping(controls).map((members) => [members[0].el, describe(members, every, mirrors)]);
  for (const group of pills) {
    const members = group.buttons.map((el) => ({ el, kind: 'radio' }));
    const { question: text, help, box, why } = question(members, every);
    if (!text || (group.mirror && group.mirror.required)) { if (!text) continue; why.push('mirror'); }
    group.buttons.forEach((el) => pillBox.set(id(el), group.box));
    const field = {
      node: id(group.box), kind: 'buttons', part: '', group: groupOf(group.box), chooser: false, question: text, help, required: [...new Set(why)], value: '', name: group.mirror ? group.mirror.name : '',
      autocomplete: '', placeholder: '', section: heading(group.box), max_length: null, multiple: false,
      form: closest(group.box, 'form') ? id(closest(group.box, 'form')) : null, error: errorOf(group.box, box),
      options: group.buttons.map((el, at) => ({ label: group.texts[at], value: '', node: id(el), index: at, chosen: false, blank: false })),
    };
    field.value = gh.value(field);
    fields.push([group.buttons[0], field]);
  }
  for (const el of dropzones(found)) {
    const wanted = fileQuestion(el);
    if (!wanted) continue;
    const lines = strip(wanted.text).split('\n');
    fields.push([el, { node: id(el), kind: 'file', question: lines[0], help: '', required: evidence(el, wanted.text, [], null), options: [], value: '', name: '', autocomplete: '', placeholder: '', section: heading(el), max_length: null, part: '', group: '', chooser: true, multiple: false, form: closest(el, 'form') ? id(closest(el, 'form')) : null, error: errorOf(el, wanted.box) }]);
  }
  const order = new Map(everything(document).map((el, at) => [el, at]));
  return fields.sort((a, b) => order.get(a[0]) - order.get(b[0])).map(([, field]) => field);
};
