// The page as text for whoever looks into a failure: its structure and what a person reads, no secret and no answer.
const KEPT = /^(id|class|name|type|role|for|placeholder|title|alt|required|disabled|readonly|checked|selected|multiple|hidden|open|maxlength|pattern|accept|autocomplete|tabindex|aria-.*|data-automation-id|data-testid|data-card|href|action|src|method|target|lang|slot)$/;
const TOKEN = /\beyJ[\w-]{10,}(\.[\w-]+)*|\b[A-Fa-f0-9]{32,}\b|\b[\w-]{40,}\b/g;
const escaped = (text) => text.replace(TOKEN, '[removed]').replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/"/g, '&quot;');
const place = (text) => (/^(data|blob|javascript):/i.test(text) ? text.split(':')[0] + ':' : text.split(/[?#]/)[0]);
gh.snapshot = (limit) => {
  let out = '';
  const visit = (node) => {
    if (out.length > limit) return;
    if (node.nodeType === 3) { out += escaped(node.data.replace(/\s+/g, ' ')); return; }
    if (node.nodeType !== 1) return;
    const tag = node.tagName.toLowerCase();
    if (['script', 'style', 'noscript', 'template', 'meta', 'link', 'base', 'object', 'embed'].includes(tag)) return;
    out += '<' + tag;
    for (const { name, value } of node.attributes) if (KEPT.test(name)) out += ` ${name}="${escaped(/^(href|action|src)$/.test(name) ? place(value) : value)}"`;
    // How much stands in a control, never what.
    if (node.matches('input,textarea,select') && node.type !== 'hidden' && node.value) out += ` value="[${node.value.length} characters]"`;
    out += '>';
    if (['svg', 'canvas', 'iframe', 'textarea'].includes(tag)) { out += `</${tag}>`; return; }
    const inner = shadow(node);
    if (inner) { out += '<template shadowrootmode="open">'; for (const child of inner.childNodes) visit(child); out += '</template>'; }
    if (!node.isContentEditable) for (const child of node.childNodes) visit(child);
    if (!/^(input|br|hr|img|wbr|col|area|source|track)$/.test(tag)) out += `</${tag}>`;
    if (/^(div|p|li|tr|section|form|fieldset|h\d|ul|ol|table)$/.test(tag)) out += '\n';
  };
  visit(document.documentElement);
  return `<!-- ${escaped(place(location.href))} -->\n${out.slice(0, limit)}\n`;
};
