// Walking, visibility and text of a document, shadow roots included.
const nodes = [];
const ids = new WeakMap();
const closedRoots = new WeakMap();

const id = (el) => {
  if (!ids.has(el)) { ids.set(el, nodes.length); nodes.push(el); }
  return ids.get(el);
};
gh.live = (i) => { heal(i); return nodes[i] && nodes[i].isConnected ? nodes[i] : null; };
gh.adopt = (root) => { if (root && root.host) closedRoots.set(root.host, root); };

const shadow = (el) => el.shadowRoot || closedRoots.get(el) || null;
const parentOf = (el) => {
  if (el.assignedSlot) return el.assignedSlot;
  const parent = el.parentNode;
  return parent instanceof ShadowRoot ? parent.host : parent instanceof Element ? parent : null;
};
const holds = (outer, el) => { for (let at = el; at; at = parentOf(at)) if (at === outer) return true; return false; };
const closest = (el, selector) => { for (let at = el; at; at = parentOf(at)) if (at.matches(selector)) return at; return null; };
const everything = (root, out = []) => {
  for (const el of root.querySelectorAll('*')) {
    out.push(el);
    const inner = shadow(el);
    if (inner) everything(inner, out);
  }
  return out;
};
const all = (selector, root = document) => everything(root).filter((el) => el.matches(selector));

const rendered = (el) => el.checkVisibility({ visibilityProperty: true });
// On the page where a person could see it: rendered, with a size, not pushed off the edge.
const visible = (el) => {
  if (!rendered(el)) return false;
  const box = el.getBoundingClientRect();
  if (box.width < 2 || box.height < 2) return false;
  return box.right + scrollX > 0 && box.bottom + scrollY > 0;
};
const opaque = (el) => el.checkVisibility({ visibilityProperty: true, opacityProperty: true });
// Words that are there for programs only: transparent, or too small to be read.
const unseen = (el) => { const style = getComputedStyle(el); return (style.display !== 'contents' && !opaque(el)) || parseFloat(style.fontSize) < 3; };
const hiddenFromReaders = (el) => !!closest(el, '[aria-hidden="true"]');

const SILENT = new Set(['SCRIPT', 'STYLE', 'NOSCRIPT', 'TEMPLATE', 'SELECT', 'OPTION', 'TEXTAREA', 'INPUT', 'BUTTON', 'SVG', 'IFRAME', 'DATALIST']);
const CONTROLISH = '[role=button],[role=listbox],[role=option],[role=combobox],[role=radio],[role=checkbox],[role=switch],[contenteditable=""],[contenteditable=true]';
const clean = (text) => text.replace(/[\u200b-\u200f\u2060\ufeff]/g, '').replace(/[ \t\u00a0\r\f]+/g, ' ').replace(/ ?\n ?/g, '\n').replace(/\n+/g, '\n').trim();

// The text a person reads inside `el`, without controls; blocks are separate lines. `stop(node)` cuts it off.
const read = (el, options = {}) => {
  const { skip, stop, controls = false, seen = false } = options;
  let out = '', stopped = false;
  const visit = (node) => {
    if (stopped) return;
    if (stop && node === stop) { stopped = true; return; }
    if (node.nodeType === 3) { out += node.data.replace(/\s+/g, ' '); return; }
    if (node.nodeType !== 1) return;
    if (node !== el) {
      if (skip && skip.has(node)) return;
      if (!controls && (SILENT.has(node.tagName.toUpperCase()) || node.matches(CONTROLISH))) return;
      if (['SCRIPT', 'STYLE', 'NOSCRIPT', 'TEMPLATE'].includes(node.tagName)) return;
      if (!rendered(node) && getComputedStyle(node).display !== 'contents') return;
      if (seen && unseen(node)) return;
    }
    const block = !/^(inline|contents|none|ruby)/.test(getComputedStyle(node).display);
    if (node.tagName === 'BR') { out += '\n'; return; }
    if (block) out += '\n';
    const inner = shadow(node);
    const children = node.tagName === 'SLOT' ? node.assignedNodes({ flatten: true }) : (inner || node).childNodes;
    for (const child of children) visit(child);
    if (block) out += '\n';
  };
  visit(el);
  return clean(out);
};
const line = (el, options) => read(el, options).replace(/\n/g, ' ').trim();
const byIds = (el, attribute) => (el.getAttribute(attribute) || '').split(/\s+/).filter(Boolean)
  .map((name) => el.getRootNode().getElementById?.(name) || document.getElementById(name)).filter(Boolean);
