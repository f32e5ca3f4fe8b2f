// What a foreign page can have its browser ask for, without being asked itself. It ends when all of it has.
async ({api, operator, picture, film}) => {
  const seen = [];
  const note = (what, how) => seen.push(what + ": " + how);
  const element = (tag, set) => new Promise(done => {
    const e = document.createElement(tag);
    e.onload = () => done("loaded");
    e.onloadeddata = () => done("loaded");
    e.onerror = () => done("failed");
    set(e);
    document.body.append(e);
  });
  const chat = JSON.stringify({model: "lorem-1", messages: [{role: "user", content: "lorem:1"}]});

  const pictures = [];
  for (let i = 0; i < 20; i++) pictures.push(element("img", e => { e.src = picture + "?" + i; }));
  for (const how of await Promise.all(pictures)) note("picture", how);
  note("picture with credentials", await element("img", e => { e.crossOrigin = "use-credentials"; e.src = picture; }));
  note("picture without referrer", await element("img", e => { e.referrerPolicy = "no-referrer"; e.src = picture + "?bare"; }));
  note("film", await element("video", e => { e.preload = "auto"; e.src = film; }));
  note("script", await element("script", e => { e.src = picture + "?script"; }));
  note("style", await element("link", e => { e.rel = "stylesheet"; e.href = picture + "?style"; }));
  note("models", await element("script", e => { e.src = api + "/v1/models"; }));
  note("metrics", await element("img", e => { e.src = operator + "/metrics"; }));
  await element("iframe", e => { e.src = picture + "?frame"; }); // a frame loads whatever it is shown

  for (const [name, url, options] of [
    ["fetch", picture, {}], ["fetch without CORS", picture, {mode: "no-cors"}],
    ["chat", api + "/v1/chat/completions", {method: "POST", headers: {"Content-Type": "application/json"}, body: chat}],
    ["chat as text", api + "/v1/chat/completions", {method: "POST", mode: "no-cors", body: chat}],
    ["models read", api + "/v1/models", {}], ["status read", operator + "/v1/status", {}], ["status", operator + "/v1/status", {mode: "no-cors"}],
  ]) {
    try {
      const resp = await fetch(url, options);
      note(name, resp.type === "opaque" ? "opaque" : "read " + resp.status);
    } catch {
      note(name, "failed");
    }
  }
  note("beacon", navigator.sendBeacon(api + "/v1/chat/completions", chat) ? "queued" : "refused");

  // A form, into a frame of its own.
  await new Promise(done => {
    const frame = document.createElement("iframe");
    frame.name = "into";
    document.body.append(frame);
    const form = document.createElement("form");
    form.action = api + "/v1/chat/completions";
    form.method = "POST";
    form.enctype = "text/plain";
    form.target = "into";
    const field = document.createElement("input");
    field.name = chat.slice(0, -1) + ',"x":"';
    field.value = '"}';
    form.append(field);
    document.body.append(form);
    frame.onload = done;
    form.submit();
  });

  // A page without an origin.
  note("sandboxed", await new Promise(done => {
    onmessage = e => done(e.data);
    const frame = document.createElement("iframe");
    frame.sandbox = "allow-scripts";
    frame.srcdoc = `<script>
      fetch(${JSON.stringify(api + "/v1/chat/completions")}, {method: "POST", headers: {"Content-Type": "application/json"}, body: ${JSON.stringify(chat)}})
        .then(r => "read " + r.status, () => "failed").then(how => parent.postMessage(how, "*"));
    <\/script>`;
    document.body.append(frame);
  }));
  return seen;
}
