// Keeps the request for the search's index back until somebody searches.
(() => {
  const { open, send } = XMLHttpRequest.prototype;
  const waiting = [];
  let wanted = new URLSearchParams(location.search).has("q"); // a search that was shared as a link
  XMLHttpRequest.prototype.open = function (method, url, ...rest) {
    this.isIndex = String(url).endsWith("search/search_index.json");
    return open.call(this, method, url, ...rest);
  };
  XMLHttpRequest.prototype.send = function (body) {
    if (wanted || !this.isIndex) return send.call(this, body);
    waiting.push(() => send.call(this, body));
  };
  addEventListener("focusin", (event) => {
    if (!event.target.closest?.("[data-md-component=search]")) return;
    wanted = true;
    waiting.splice(0).forEach((go) => go());
  });
})();
