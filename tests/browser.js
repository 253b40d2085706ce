// What the tests look at in a page that stands in a browser. A check returns its faults in words: none is a pass.
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const shown = (element) => element.getClientRects().length > 0;
  const words = (element) => element.textContent.trim().replace(/\s+/g, " ").slice(0, 60);
  const called = (element) => `${element.localName}${element.id && "#" + element.id} "${words(element)}"`;
  const faults = (elements, rules) =>
    elements.flatMap((element) =>
      Object.entries(rules).filter(([, holds]) => !holds(element)).map(([rule]) => `${called(element)}: ${rule}`),
    );

  // --- how the page is built

  const figures = () =>
    faults(all("figure"), {
      "has one heading": (figure) => all("h1, h2, h3, h4", figure).filter(words).length === 1,
      "has a drawing with words and digits for those who cannot see it": (figure) =>
        all("svg", figure).length === 1 && /\d/.test(figure.querySelector("svg[role=img]")?.ariaLabel ?? ""),
      "has a caption": (figure) => all("figcaption", figure).filter(words).length === 1,
      "has a table of its numbers": (figure) => all("details table tbody td", figure).length > 0,
    });

  const tables = () =>
    faults(all("table"), {
      "has a caption": (table) => table.caption !== null && words(table.caption) !== "",
      "has a scope for every column": (table) =>
        table.tHead.rows.length === 1 && [...table.tHead.rows[0].cells].every((cell) => cell.scope === "col"),
      "has a scope for every row": (table) =>
        all("tbody tr", table).every((row) => row.cells[0].localName === "th" && row.cells[0].scope === "row"),
      "has as many cells in every row as columns": (table) =>
        all("tbody tr", table).every((row) => row.cells.length === table.tHead.rows[0].cells.length),
      "has words in every cell": (table) => all("th, td", table).every(words),
    });

  const ids = () => {
    const found = all("[id]").map((element) => element.id);
    return found.filter((id, index) => found.indexOf(id) !== index).map((id) => `the id ${id} is there twice`);
  };

  const references = () => {
    const missing = (id) => document.getElementById(id) === null;
    const used = (element) => [...element.attributes].flatMap(({ name, value }) => {
      if (name === "aria-labelledby" || name === "aria-describedby") return value.split(" ");
      if (name === "href" && value.startsWith("#")) return [value.slice(1)];
      return [...value.matchAll(/url\(["']?#([^"')]+)/g)].map((match) => match[1]);
    });
    return all("*").flatMap((element) => used(element).filter(missing).map((id) => `${called(element)}: no #${id}`));
  };

  const headings = () => {
    const levels = all("h1, h2, h3, h4, h5, h6").map((heading) => Number(heading.localName[1]));
    const skipped = levels.flatMap((level, i) => (level > (levels[i - 1] ?? 0) + 1 ? [`heading ${i} is an h${level}`] : []));
    return levels.filter((level) => level === 1).length === 1 ? skipped : [...skipped, "there is not one h1"];
  };

  // --- what is seen

  const written = () => {
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const found = new Set();
    while (walker.nextNode()) {
      const element = walker.currentNode.parentElement;
      if (walker.currentNode.data.trim() && shown(element) && element.localName !== "script") found.add(element);
    }
    return [...found];
  };
  const inFigure = (element) => element.closest("svg") !== null;
  const scale = (element) => (inFigure(element) ? Math.hypot(element.getScreenCTM().a, element.getScreenCTM().b) : 1);
  const pixels = (element) => parseFloat(getComputedStyle(element).fontSize) * scale(element);

  const sizes = (least) => faults(written(), { [`is at least ${least} pixels`]: (element) => pixels(element) >= least });

  const cutOff = () =>
    faults(written().filter(inFigure), {
      "lies within its drawing": (element) => {
        const [text, drawing] = [element, element.closest("svg")].map((one) => one.getBoundingClientRect());
        return text.left >= drawing.left - 1 && text.right <= drawing.right + 1 && text.top >= drawing.top - 1
          && text.bottom <= drawing.bottom + 1;
      },
    });

  const sideways = (width) => {
    const wide = ({ scrollWidth, clientWidth }) => scrollWidth > clientWidth;
    const regions = faults(all(".scroll").filter(shown), {
      "is no wider than the page": (region) => region.getBoundingClientRect().right <= width,
      "scrolls where it is wider inside": (region) => !wide(region) || getComputedStyle(region).overflowX === "auto",
    });
    const outside = faults(all("body *").filter((one) => shown(one) && !one.closest(".scroll, .skip")), {
      "ends within the page": (element) => element.getBoundingClientRect().right <= width + 0.5,
    });
    return [...regions, ...outside];
  };

  // --- colours

  const rgba = (colour) => {
    const [red, green, blue, alpha = 1] = colour.match(/[\d.]+/g).map(Number);
    return colour === "none" ? [0, 0, 0, 0] : [red, green, blue, alpha];
  };
  const over = (top, ground, opacity = 1) => {
    const share = top[3] * opacity;
    return [0, 1, 2].map((i) => share * top[i] + (1 - share) * ground[i]).concat(1);
  };
  const luminance = (colour) => {
    const [red, green, blue] = colour.slice(0, 3).map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const contrast = (one, other) => {
    const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const ancestors = (element) => (element ? [...ancestors(element.parentElement), element] : []);
  const ground = (element) =>
    ancestors(element).reduce((below, one) => over(rgba(getComputedStyle(one).backgroundColor), below), [255, 255, 255, 1]);
  const covers = (shape, x, y) => {
    const box = shape.getBoundingClientRect();
    if (x < box.left || x > box.right || y < box.top || y > box.bottom) return false;
    return shape.isPointInFill(new DOMPoint(x, y).matrixTransform(shape.getScreenCTM().inverse()));
  };
  const below = (text) => {
    const box = text.getBoundingClientRect();
    const [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
    const earlier = (shape) => shape.compareDocumentPosition(text) & Node.DOCUMENT_POSITION_FOLLOWING;
    return all("path, rect", text.closest("svg"))
      .filter((shape) => !shape.closest("defs, clipPath") && earlier(shape))
      .map((shape) => [shape, getComputedStyle(shape)])
      .filter(([shape, style]) => style.fill !== "none" && covers(shape, x, y))
      .reduce((under, [, style]) => over(rgba(style.fill), under, style.fillOpacity * style.opacity), ground(text.closest("svg")));
  };
  const ratio = (element) => {
    const style = getComputedStyle(element);
    return inFigure(element)
      ? contrast(rgba(style.fill), below(element))
      : contrast(rgba(style.color), ground(element));
  };

  const pale = (least) => written().flatMap((element) => {
    const found = ratio(element);
    return found >= least ? [] : [`${called(element)}: a contrast of ${found.toFixed(2)} is below ${least}`];
  });

  return { figures, tables, ids, references, headings, sizes, cutOff, sideways, pale };
})()
