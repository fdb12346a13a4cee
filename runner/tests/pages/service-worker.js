self.onmessage = async (event) => {
  let reached = false;
  // The proxy's refusal comes as an opaque answer, as any other site's would: whether more came than that is for the servers to say.
  try { reached = (await fetch(event.data, { mode: "no-cors" })).type !== "opaque"; } catch { /* not even an answer */ }
  event.source.postMessage(reached);
};
