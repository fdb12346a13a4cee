self.onmessage = async (event) => {
  let reached = true;
  try { await fetch(event.data, { mode: "no-cors" }); } catch { reached = false; }
  event.source.postMessage(reached);
};
