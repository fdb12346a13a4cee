// The page around the form: buttons, messages, evidence; and the few things we do to it.
const BUTTON = 'button,input[type=submit],input[type=button],input[type=image],[role=button],a[href]';
gh.buttons = () => lookForModals() || all(BUTTON).filter((el) => visible(el) && !closest(el, 'nav,footer,[role=navigation]')).map((el) => {
  const icon = el.querySelector('img[alt],svg > title,[aria-label],[title]');
  const text = el.tagName === 'INPUT' ? el.value || el.alt || 'Submit' : line(el, { controls: true }) || el.getAttribute('aria-label') || el.title || (icon ? icon.getAttribute('alt') || icon.getAttribute('aria-label') || icon.getAttribute('title') || icon.textContent.trim() : '');
  const form = el.form || closest(el, 'form');
  return {
    node: id(el), text: text.slice(0, 80), submit: el.type === 'submit' || el.type === 'image', link: el.tagName === 'A',
    label: el.getAttribute('aria-label') || '', section: heading(el) || groupOf(el),
    covered: isCovered(el), disabled: !!el.disabled || el.getAttribute('aria-disabled') === 'true', form: form ? id(form) : null,
  };
}).filter((it) => it.text || it.submit).slice(0, 200);

gh.errors = () => [...new Set(all('[role=alert],[aria-live=assertive],[class*=error i],[class*=invalid-feedback i],[class*=validation i]')
  .filter((el) => visible(el) && !el.matches(CONTROL) && el.tagName !== 'FORM' && !el.querySelector(CONTROL)).map((el) => line(el)).filter((text) => text && text.length < 300))].slice(0, 20);

// A captcha box whose answer is already in the form asks nothing of anyone.
const solved = () => all('[name="g-recaptcha-response"],[name="h-captcha-response"],[name="cf-turnstile-response"]').some((el) => el.value);

gh.page = () => ({
  url: location.href, title: document.title, text: document.body ? read(document.body, { controls: true }).slice(0, 20000) : '',
  heading: all('h1,h2').filter(visible).map((el) => line(el)).filter(Boolean).slice(0, 5).join(' / '),
  passwords: all('input[type=password]').filter(visible).length,
  codes: all('input').filter((el) => visible(el) && (el.autocomplete === 'one-time-code' || (el.maxLength === 1 && ['text', 'tel', 'number'].includes(el.type)))).length,
  code_input: all('input[autocomplete="one-time-code"]').filter(visible).length > 0,
  challenges: all('iframe').filter((el) => {
    const box = el.getBoundingClientRect();
    const src = el.src || '';
    const kind = /recaptcha\/(api2|enterprise)\/bframe|hcaptcha\.com.*(frame=challenge|challenge)|challenges\.cloudflare\.com|arkoselabs|funcaptcha|geo\.captcha-delivery\.com|captcha/i.test(src) && !/recaptcha\/(api2|enterprise)\/anchor|size=invisible|frame=checkbox-invisible/i.test(src);
    return kind && visible(el) && opaque(el) && box.width >= 150 && box.height >= 150 && box.top + scrollY >= 0;
  }).map((el) => el.src.slice(0, 200)),
  widgets: solved() ? [] : all('iframe').filter((el) => visible(el) && opaque(el) && /recaptcha\/(api2|enterprise)\/anchor(?!.*size=invisible)|hcaptcha\.com.*frame=checkbox(?!-invisible)|challenges\.cloudflare\.com/i.test(el.src || '') && el.getBoundingClientRect().width >= 200).map((el) => el.src.slice(0, 200)),
});
// What the page states about itself in a form made for programs.
gh.stated = () => [...document.querySelectorAll('script[type="application/ld+json"]')].slice(0, 20).flatMap((el) => {
  try { const stated = el.textContent.length < 50000 ? JSON.parse(el.textContent) : null; return stated && typeof stated === 'object' ? (Array.isArray(stated) ? stated : [stated]) : []; } catch { return []; }
});

// Does a click that lands on `found` reach control `i`?
gh.hits = (i, found) => {
  const el = nodes[i];
  if (!el || !found) return false;
  const target = found.nodeType === 1 ? found : found.parentElement;
  if (!target) return false;
  if (holds(el, target) || holds(target, el) && target.tagName === 'LABEL') return true;
  const label = closest(target, 'label');
  return !!label && label.control === el;
};
gh.proxies = (i) => proxiesOf(nodes[i]).map(id);
gh.focus = (i) => { const el = nodes[i]; el.scrollIntoView({ block: 'center' }); el.focus(); let at = document.activeElement; while (at && shadow(at) && shadow(at).activeElement) at = shadow(at).activeElement; return at === el || holds(el, at || document.body); };
gh.select_all = (i) => {
  const el = nodes[i];
  if (el.isContentEditable) { const range = document.createRange(); range.selectNodeContents(el); const selection = getSelection(); selection.removeAllRanges(); selection.addRange(range); } else if (el.select) el.select();
};
gh.blur = (i) => { const el = nodes[i]; if (el && el.blur) el.blur(); if (document.activeElement && document.activeElement !== document.body) document.activeElement.blur(); };
const announce = (el) => { el.dispatchEvent(new Event('input', { bubbles: true, composed: true })); el.dispatchEvent(new Event('change', { bubbles: true, composed: true })); };
gh.choose = (i, indexes) => { const el = nodes[i]; [...el.options].forEach((option, at) => { option.selected = indexes.includes(at); }); announce(el); };
gh.set = (i, value) => { const el = nodes[i]; el.focus(); el.value = value; announce(el); el.blur(); };
gh.takes_text = (i) => { const el = nodes[i]; return (el.tagName === 'INPUT' && !el.readOnly && !['button', 'submit'].includes(el.type)) || el.isContentEditable; };
gh.tick = (i) => nodes[i].click();
// Sections that are closed and hold questions.
gh.collapsed = () => all('details:not([open]) > summary,[aria-expanded=false][aria-controls]').filter((el) => {
  if (!visible(el) || el.matches(CONTROL) || el.hasAttribute('aria-haspopup') || closest(el, 'nav,header,footer,[role=navigation]')) return false;
  const inside = el.tagName === 'SUMMARY' ? [el.parentElement] : byIds(el, 'aria-controls');
  return inside.some((box) => !box.matches('[role=listbox],[role=menu],[role=dialog]') && everything(box).some((it) => it.matches(CONTROL) && kindOf(it) && it.type !== 'search' && it.type !== 'password'));
}).map(id);

// The calendar that is open: its days, and how to go to other months.
const MONTHS = ['january', 'february', 'march', 'april', 'may', 'june', 'july', 'august', 'september', 'october', 'november', 'december'];
const monthIn = (text) => {
  const found = /\b(january|february|march|april|may|june|july|august|september|october|november|december|jan|feb|mar|apr|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b[^0-9]*((19|20)\d\d)/i.exec(text);
  return found ? { month: MONTHS.findIndex((it) => it.startsWith(found[1].slice(0, 3).toLowerCase())) + 1, year: Number(found[2]) } : null;
};
const iso = (year, month, day) => `${year}-${String(month).padStart(2, '0')}-${String(day).padStart(2, '0')}`;
gh.calendar = (i) => {
  const el = nodes[i];
  const boxes = all('.flatpickr-calendar.open,[role=dialog],[role=application],[class*=datepicker i],[class*=calendar i]').filter((it) => visible(it) && !holds(it, el) && it !== el);
  for (const box of boxes) {
    const cells = everything(box).filter((it) => visible(it) && it.matches('[role=gridcell],td,.flatpickr-day,[class*=day i]') && /^\d{1,2}$/.test(line(it, { controls: true })) && !it.matches('.prevMonthDay,.nextMonthDay,[aria-disabled=true],[class*=outside i],[class*=disabled i]'));
    if (cells.length < 20) continue;
    const year = box.querySelector('input[aria-label=Year],.cur-year'), list = box.querySelector('select[class*=month i]');
    const title = list && year ? { month: Number(list.value) + 1, year: Number(year.value) } : monthIn(read(box, { controls: true })) || monthIn(cells[10].getAttribute('aria-label') || '');
    if (!title) continue;
    const step = (words) => everything(box).find((it) => visible(it) && !cells.includes(it) && words.test((it.getAttribute('aria-label') || '') + ' ' + (it.className.baseVal === undefined ? it.className : '') + ' ' + it.textContent.trim()) && it.matches('button,a,[role=button],span,div') && it.textContent.length < 20 && !it.querySelector('button'));
    const leaf = cells.filter((it) => !cells.some((other) => other !== it && holds(it, other)));
    const [next, back] = [step(/\bnext\b|^[^a-z]*[›»>→][^a-z]*$|next-?month/i), step(/\bprev(ious)?\b|^[^a-z]*[‹«<←][^a-z]*$|prev-?month/i)];
    return { month: `${title.year}-${String(title.month).padStart(2, '0')}`, next: next ? id(next) : null, back: back ? id(back) : null, days: leaf.map((it) => ({ day: iso(title.year, title.month, Number(line(it, { controls: true }))), node: id(it) })) };
  }
  return null;
};

// Where one types to search a list that opened: the control itself, or a box inside what opened.
gh.search_box = (i) => {
  const el = nodes[i];
  if (gh.takes_text(i)) return i;
  const lists = [...byIds(el, 'aria-controls'), ...byIds(el, 'aria-owns'), ...all('[role=listbox]')].filter((it) => visible(it) && !holds(it, el));
  for (const list of lists) for (let at = list, depth = 0; at && depth < 4 && !holds(at, el); at = parentOf(at), depth++) {
    const box = everything(at).find((it) => it.tagName === 'INPUT' && /^(text|search)$/.test(it.type) && !it.readOnly && visible(it));
    if (box) return id(box);
  }
  let at = document.activeElement;
  while (at && shadow(at) && shadow(at).activeElement) at = shadow(at).activeElement;
  return at && at !== el && at.tagName === 'INPUT' && at.type === 'search' && !at.readOnly && visible(at) ? id(at) : null;
};
gh.in_form = (i) => !!closest(nodes[i], 'form');
// A frame of the page is no other tab.
const staying = (name) => /^_(self|parent|top)$/i.test(name) || all('iframe').some((it) => it.name && it.name === name);
gh.same_tab = (i) => { const el = nodes[i]; [closest(el, 'a[target],form[target]'), el, el.form].forEach((it) => it && ['target', 'formtarget'].forEach((name) => { if (!staying(it.getAttribute(name) || '')) it.removeAttribute(name); })); };
// While a page is filled nothing we press may send its forms: not Enter in a list, not a button that only opens something.
let holding = false;
addEventListener('submit', (event) => { if (holding) { event.preventDefault(); event.stopImmediatePropagation(); } }, true);
gh.hold_submits = (on) => { holding = on; };
gh.state = (field) => { const el = nodes[field.node]; return { live: !!el && el.isConnected, value: gh.value(field), invalid: !!el && el.getAttribute('aria-invalid') === 'true', error: el ? errorOf(el, null) : '', valid: !el || !el.validity || el.validity.valid }; };

// The list a popup control opened: by its own word, else any list that is on the page now.
gh.list = (i) => {
  const el = nodes[i];
  const outer = closest(el, '[aria-controls],[aria-owns]') || el;
  const owned = [...byIds(el, 'aria-controls'), ...byIds(el, 'aria-owns'), ...byIds(outer, 'aria-controls'), ...byIds(outer, 'aria-owns')].filter(visible);
  const boxes = owned.length ? owned : all('[role=listbox],[class*=menu-list i],[class*=autocomplete i][class*=list i],[class*=dropdown-menu i],[class*=suggestions i],[class*=dropdown-results i],[class*=typeahead i][class*=menu i],.pac-container,.ui-autocomplete').filter((it) => visible(it) && !holds(it, el) && !/selected/i.test(it.getAttribute('aria-label') || '') && !it.querySelector('[data-automation-id=selectedItem]'));
  const options = [];
  for (const box of boxes) {
    let inside = everything(box).filter((it) => it.matches('[role=option],[role=menuitem],[role=treeitem]'));
    if (!inside.length) inside = everything(box).filter((it) => it.matches('li,[class*=option i]') && !it.querySelector('li,[class*=option i]'));
    if (!inside.length) inside = everything(box).filter((it) => !it.children.length && parentOf(it) === box && it.tagName !== 'INPUT');
    for (const option of inside) if (visible(option) && option.getAttribute('aria-disabled') !== 'true') {
      const label = line(option, { controls: true });
      if (label && !options.some((it) => it.node === id(option))) options.push({ label, value: option.getAttribute('data-value') || '', node: id(option), index: options.length, chosen: isOn(option), blank: /^(no (options|results|matches).*|loading.*|searching.*|please enter .*|start typing.*|keine .*|aucun .*)$/i.test(label) || PLACEHOLDER.test(label) });
    }
    if (options.length) break;
  }
  return { open: boxes.length > 0, expanded: el.getAttribute('aria-expanded') === 'true' || outer.getAttribute('aria-expanded') === 'true', options };
};

// Boxes that take what only a person knows: a code, a user name, a password.
gh.secrets = (what) => {
  const inputs = all('input').filter((el) => visible(el) && !el.readOnly && !el.disabled);
  if (what === 'password') return inputs.filter((el) => el.type === 'password').map(id);
  if (what === 'name') return inputs.filter((el) => /username|email/.test(el.autocomplete) || el.type === 'email' || /user|login|e-?mail/i.test(el.name + ' ' + el.id)).map(id);
  const single = inputs.filter((el) => el.maxLength === 1 && ['text', 'tel', 'number', 'password'].includes(el.type));
  if (single.length >= 4) return single.map(id);
  return inputs.filter((el) => el.autocomplete === 'one-time-code' || /(^|[-_ ])(code|otp|totp|verification|2fa|mfa)/i.test(el.name + ' ' + el.id) || /code/i.test(named(el)[0])).map(id);
};

// Secrets are black in pictures.
gh.mask = (on) => {
  for (const el of all('input[type=password],input[autocomplete="one-time-code"],input[autocomplete*="password"]')) {
    if (on) { el.dataset.ghStyle = el.getAttribute('style') || ''; el.style.setProperty('background', '#000', 'important'); el.style.setProperty('color', '#000', 'important'); el.style.setProperty('-webkit-text-fill-color', '#000', 'important'); }
    else if (el.dataset.ghStyle !== undefined) { if (el.dataset.ghStyle) el.setAttribute('style', el.dataset.ghStyle); else el.removeAttribute('style'); delete el.dataset.ghStyle; }
  }
};
