// What the tests look at in a page that stands in a browser. A check returns its faults in words: none is a pass.
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const shown = (element) => element.getClientRects().length > 0;
  const text = (element) => element.textContent.trim().replace(/\s+/g, " ");
  const words = (element) => text(element).slice(0, 60);
  const called = (element) => `${element.localName}${element.id && "#" + element.id} "${words(element)}"`;
  const faults = (elements, rules) =>
    elements.flatMap((element) =>
      Object.entries(rules).filter(([, holds]) => !holds(element)).map(([rule]) => `${called(element)}: ${rule}`),
    );

  // --- how the page is built

  const figures = () =>
    faults(all("figure"), {
      "has one heading": (figure) => all("h1, h2, h3, h4", figure).filter(words).length === 1,
      "has one drawing in sight": (figure) => all("svg", figure).filter(shown).length === 1,
      "has drawings with words and digits for those who cannot see them": (figure) =>
        all("svg", figure).every((drawing) => drawing.role === "img" && /\d/.test(drawing.ariaLabel ?? "")),
      "says the finding in at most 12 words": (figure) =>
        text(figure.querySelector("h2, h3")).split(" ").length <= 12,
      "has a caption": (figure) => all("figcaption", figure).filter(words).length === 1,
      "has a table of its numbers, but on the first screen": (figure) =>
        figure.closest(".first") !== null || all("details table tbody td", figure).length > 0,
      "has a table of at most 7 columns": (figure) => all("thead tr", figure).every((row) => row.cells.length <= 7),
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
    const skips = (level, i) => level > (levels[i - 1] ?? 0) + 1;
    const skipped = levels.flatMap((level, i) => (skips(level, i) ? [`heading ${i} is an h${level}`] : []));
    return levels.filter((level) => level === 1).length === 1 ? skipped : [...skipped, "there is not one h1"];
  };

  // --- what is seen

  const inSight = (selector) => all(selector).filter(shown).length;

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

  const small = () => faults(written(), { "is at least 9 pixels": (element) => pixels(element) >= 9 });

  const cutOff = () =>
    faults(written().filter(inFigure), {
      "lies within its drawing": (element) => {
        const [text, drawing] = [element, element.closest("svg")].map((one) => one.getBoundingClientRect());
        return text.left >= drawing.left - 1 && text.right <= drawing.right + 1 && text.top >= drawing.top - 1
          && text.bottom <= drawing.bottom + 1;
      },
    });

  const collisions = () =>
    all("figure svg").flatMap((drawing) => {
      const texts = all("text", drawing).filter((one) => shown(one) && words(one)).map((one) => [one, one.getBoundingClientRect()]);
      const meet = (a, b) =>
        Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2
        && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 4;
      return texts.flatMap(([one, a], i) =>
        texts.slice(i + 1).filter(([, b]) => meet(a, b)).map(([other]) => `${called(one)} lies on ${called(other)}`),
      );
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
    ancestors(element)
      .map((one) => rgba(getComputedStyle(one).backgroundColor))
      .reduce((below, colour) => over(colour, below), [255, 255, 255, 1]);
  let boxes = new Map();
  const shapes = (drawing) => {
    if (!boxes.has(drawing)) {
      const found = all("path, rect", drawing).filter((shape) => !shape.closest("defs, clipPath"));
      boxes.set(drawing, found.map((shape) => [shape, shape.getBoundingClientRect()]));
    }
    return boxes.get(drawing);
  };
  const beneath = (text) => {
    const { left, top, width, height } = text.getBoundingClientRect();
    const [x, y] = [left + width / 2, top + height / 2];
    return shapes(text.closest("svg"))
      .filter(([, box]) => x >= box.left && x <= box.right && y >= box.top && y <= box.bottom)
      .map(([shape]) => shape)
      .filter((shape) => shape.isPointInFill(new DOMPoint(x, y).matrixTransform(shape.getScreenCTM().inverse())))
      .filter((shape) => shape.compareDocumentPosition(text) & Node.DOCUMENT_POSITION_FOLLOWING)
      .map((shape) => getComputedStyle(shape))
      .filter((style) => style.fill !== "none");
  };
  const groundOf = (element) =>
    (inFigure(element) ? beneath(element) : []).reduce(
      (under, style) => over(rgba(style.fill), under, style.fillOpacity * style.opacity),
      ground(element),
    );
  const ink = (element) => rgba(getComputedStyle(element)[inFigure(element) ? "fill" : "color"]);
  const onColour = (element) => inFigure(element) && beneath(element).length > 0;

  const pale = (least, coloured) => {
    boxes = new Map();
    return written().filter((element) => onColour(element) === coloured).flatMap((element) => {
      const found = contrast(ink(element), groundOf(element));
      return found >= least ? [] : [`${called(element)}: a contrast of ${found.toFixed(2)} is below ${least}`];
    });
  };

  const inks = () => {
    const body = getComputedStyle(document.body).color;
    const used = (drawing, selector, key) => all(selector, drawing).map((one) => getComputedStyle(one)[key]);
    const lines = (drawing) =>
      used(drawing, "path, use", "stroke").filter((line) => !["none", "rgb(255, 255, 255)"].includes(line));
    return faults(all("figure svg").filter(shown), {
      "has words in the colour of the text": (drawing) => used(drawing, "text", "fill").includes(body),
      "has lines in the colour of the text": (drawing) => !lines(drawing).length || lines(drawing).includes(body),
      "has no black": (drawing) => ![...lines(drawing), ...used(drawing, "path, use", "fill")].includes("rgb(0, 0, 0)"),
    });
  };

  // --- what a keyboard reaches

  const stops = () => all("a[href], button, summary, .scroll, [tabindex='0']").filter(shown);
  let visited = [];
  const watch = () => {
    document.addEventListener("focusin", ({ target }) => {
      const { outlineStyle, outlineWidth, outlineColor } = getComputedStyle(target);
      const box = target.getBoundingClientRect();
      const drawn = outlineStyle === "solid" && parseFloat(outlineWidth) >= 2;
      const marked = drawn && contrast(rgba(outlineColor), ground(target)) >= 3;
      const inSight = box.right > 0 && box.left < innerWidth && box.bottom > 0 && box.top < innerHeight;
      visited.push([target, marked && inSight]);
    });
    return stops().length;
  };
  const walked = () => {
    const wanted = stops();
    const skipped = wanted.filter((element, i) => visited[i]?.[0] !== element);
    const unseen = visited.filter(([, seen]) => !seen).map(([element]) => `${called(element)}: the focus is not seen`);
    const order = skipped.map((element) => `${called(element)} is not reached in its turn`);
    return [...order, ...unseen, ...(visited.length === wanted.length ? [] : [`there are ${visited.length} stops`])];
  };

  // --- what sorting does

  const orders = (body, index) => [...body.rows].map((row) => row.cells[index].dataset.order);
  const disorder = (body, index, direction) => {
    const found = orders(body, index);
    const known = found.filter((order) => order !== "");
    const numbers = known.every((order) => !Number.isNaN(Number(order)));
    const step = (a, b) => direction * (numbers ? b - a : b.localeCompare(a));
    const wrong = known.filter((order, i) => i > 0 && step(known[i - 1], order) < 0).map((order) => `${order} is late`);
    return found.slice(known.length).every((order) => order === "") ? wrong : [...wrong, "what is empty is not last"];
  };
  const sorted = (table, index, name) => {
    const [heading, body] = [table.tHead.rows[0].cells[index], [...table.tBodies].at(-1)];
    const above = () => [...table.tBodies].slice(0, -1).map((one) => one.textContent).join();
    const [totals, rows] = [above(), new Set(body.rows)];
    heading.querySelector("button").click();
    const marked = [...table.tHead.rows[0].cells].filter((cell) => cell.ariaSort !== null);
    const rules = {
      "aria-sort says so, there alone": marked.length === 1 && heading.ariaSort === name,
      "totals stay": above() === totals,
      "rows stay": rows.size === new Set([...rows, ...body.rows]).size && rows.size === body.rows.length,
    };
    const broken = Object.keys(rules).filter((rule) => !rules[rule]);
    return [...broken, ...disorder(body, index, name === "ascending" ? 1 : -1)]
      .map((fault) => `${called(table)}, ${words(heading)}, ${name}: ${fault}`);
  };
  const sorts = () =>
    all("table").filter((table) => table.querySelector("button")).flatMap((table) =>
      [...table.tHead.rows[0].cells].flatMap((_, index) =>
        ["ascending", "descending"].flatMap((name) => sorted(table, index, name)),
      ),
    );

  return {
    figures, tables, ids, references, headings, inSight, small, cutOff, collisions, sideways,
    pale, inks, watch, walked, sorts,
  };
})()
