// Returns, as texts, the pairs of links, buttons and fields that share more than a pixel of what is seen of them. What is
// within another (a field in its label) does not count, nor does what stays where it is while the page scrolls.
() => {
  const PRESSED = "a[href], button, input:not([type=hidden]), select, textarea, summary, [role=button]";
  const found = [];
  const parentOf = (one) => one.assignedSlot ?? one.parentElement ?? one.getRootNode().host ?? null;
  const collect = (root) => {
    for (const one of root.querySelectorAll("*")) {
      if (one.shadowRoot) collect(one.shadowRoot);
      if (one.matches(PRESSED) && one.checkVisibility({ visibilityProperty: true, opacityProperty: true })) found.push(one);
    }
  };
  collect(document);
  const both = (one, other) => {
    const left = Math.max(one.left, other.left), top = Math.max(one.top, other.top);
    return { left, top, right: Math.min(one.right, other.right), bottom: Math.min(one.bottom, other.bottom) };
  };
  const isSeen = ({ left, top, right, bottom }) => right - left > 1 && bottom - top > 1;
  const seen = (one) => {
    let boxes = [...one.getClientRects()];
    for (let around = one; around; around = parentOf(around)) {
      const style = getComputedStyle(around);
      if (["sticky", "fixed"].includes(style.position) || style.clipPath !== "none") return [];
      if (around !== one && style.overflow !== "visible") {
        const clip = around.getBoundingClientRect();
        boxes = boxes.map((box) => both(box, clip));
      }
    }
    return boxes.filter(isSeen);
  };
  const isWithin = (one, other) => {
    for (let around = one; around; around = parentOf(around)) if (around === other) return true;
    return false;
  };
  const name = (one) => `${one.localName} "${(one.ariaLabel || one.textContent || one.name || one.id).trim().slice(0, 60)}"`;
  const all = found.map((one) => [one, seen(one)]).filter(([, boxes]) => boxes.length);
  const shared = [];
  all.forEach(([one, boxes], at) => {
    for (const [other, others] of all.slice(at + 1)) {
      if (isWithin(one, other) || isWithin(other, one)) continue;
      if (boxes.some((box) => others.some((its) => isSeen(both(box, its))))) shared.push(`${name(one)} and ${name(other)}`);
    }
  });
  return shared;
}
