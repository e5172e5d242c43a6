// The texts of a page whose contrast with what is behind them is below a limit: [contrast, text, colour, ground, element].
(limit) => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const parsed = new Map();
  const rgba = (colour) => {
    if (!parsed.has(colour)) {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = colour;
      canvas.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
      parsed.set(colour, [r, g, b, a / 255]);
    }
    return parsed.get(colour);
  };
  const over = ([r, g, b, a], below) => [r, g, b].map((one, place) => one * a + below[place] * (1 - a));
  const linear = (one) => (one / 255 <= 0.04045 ? one / 255 / 12.92 : ((one / 255 + 0.055) / 1.055) ** 2.4);
  const luminance = (colour) => [0.2126, 0.7152, 0.0722].reduce((sum, w, place) => sum + w * linear(colour[place]), 0);
  const ancestors = (element) => (element ? [...ancestors(element.parentElement), element] : []);
  const ground = (element) =>
    ancestors(element).reduce((below, one) => over(rgba(getComputedStyle(one).backgroundColor), below), [255, 255, 255]);
  const faint = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.data.trim() || !element.checkVisibility({ visibilityProperty: true })) continue;
    if (/^(SCRIPT|STYLE|NOSCRIPT|TEXTAREA|ANNOTATION)$/i.test(element.tagName)) continue;
    const opacity = ancestors(element).reduce((product, one) => product * getComputedStyle(one).opacity, 1);
    if (opacity < 0.01) continue; // shown when the mouse is over it
    const below = ground(element);
    const [r, g, b, a] = rgba(getComputedStyle(element).color);
    const [one, other] = [luminance(over([r, g, b, a * opacity], below)), luminance(below)];
    const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (contrast < limit)
      faint.push([+contrast.toFixed(2), node.data.trim().slice(0, 40), getComputedStyle(element).color, below.map(Math.round).join(), element.outerHTML.slice(0, 90)]);
  }
  return faint;
}
