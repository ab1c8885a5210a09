"use strict";
// Sorting, filters, values of points and links to samples. A page without it shows everything.
(function () {
    const scale = { k: 1e3, M: 1e6, G: 1e9, B: 1e9, T: 1e12 };

    // The first number of a cell ("12.4 [12.1, 12.8]", "2.4B", "fake 0.5"); NaN: none.
    function numberOf(text) {
        const found = /^(?:fake )?([-+]?\d[\d.]*(?:e[-+]?\d+)?)([kMGBT](?![\w/]))?(?=$|[\s\[(%,x])/.exec(text);
        return found ? parseFloat(found[1]) * (scale[found[2]] || 1) : NaN;
    }

    function isMissing(text) {
        return text === "" || text === "-" || text === "N/A";
    }

    function textOf(cell) {
        const copy = cell.cloneNode(true);
        copy.querySelectorAll("sup").forEach(note => note.remove());
        return copy.textContent.trim();
    }

    function sortBody(body, column, isDown) {
        const rows = Array.from(body.rows).filter(row => !row.classList.contains("group"));
        const keyed = rows.map((row, at) => ({ row, at, text: textOf(row.cells[column]) }));
        const isNumeric = keyed.every(k => isMissing(k.text) || !Number.isNaN(numberOf(k.text)));
        keyed.sort((a, b) => {
            // Missing values come last in both directions.
            if (isMissing(a.text) !== isMissing(b.text)) return isMissing(a.text) ? 1 : -1;
            const order = isNumeric && !isMissing(a.text)
                ? numberOf(a.text) - numberOf(b.text)
                : a.text.localeCompare(b.text, "en", { numeric: true });
            return (isDown ? -order : order) || a.at - b.at;
        });
        keyed.forEach(k => body.append(k.row));
    }

    function makeSortable(table) {
        Array.from(table.tHead.rows[0].cells).forEach((head, column) => {
            const button = document.createElement("button");
            button.type = "button";
            button.append(...head.childNodes);
            head.append(button);
            button.addEventListener("click", () => {
                const isDown = head.getAttribute("aria-sort") === "ascending";
                Array.from(head.parentNode.cells).forEach(h => h.removeAttribute("aria-sort"));
                head.setAttribute("aria-sort", isDown ? "descending" : "ascending");
                Array.from(table.tBodies).forEach(body => sortBody(body, column, isDown));
            });
        });
    }

    let nFilters = 0;

    // Rows that hold every word; the heading of a group counts for its rows.
    function addFilter(box, table) {
        const id = "filter-" + ++nFilters;
        const line = document.createElement("div");
        line.className = "filter";
        line.innerHTML = `<label for="${id}">Filter rows</label>` +
            `<input type="search" id="${id}"><span role="status"></span>`;
        const [, input, status] = line.children;
        input.addEventListener("input", () => {
            const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
            let n = 0, shown = 0;
            Array.from(table.tBodies).forEach(body => {
                let group = null, inGroup = 0;
                Array.from(body.rows).forEach(row => {
                    if (row.classList.contains("group")) {
                        group = row;
                        return;
                    }
                    const text = ((group ? group.textContent + " " : "") +
                        Array.from(row.cells, textOf).join(" ")).toLowerCase();
                    row.hidden = !words.every(word => text.includes(word));
                    n++;
                    inGroup += !row.hidden;
                });
                if (group) group.hidden = inGroup === 0;
                shown += inGroup;
            });
            status.textContent = words.length ? `${shown} of ${n} rows` : "";
        });
        box.prepend(line);
    }

    document.querySelectorAll(".table").forEach(box => {
        const table = box.querySelector("table");
        const rows = Array.from(table.tBodies).flatMap(body => Array.from(body.rows));
        const nGroups = rows.filter(row => row.classList.contains("group")).length;
        // Rows of different kinds, as in the papers' tables, have no order.
        if (rows.length - nGroups > 1 && !table.classList.contains("fixed")) makeSortable(table);
        if (rows.length - nGroups > 7) addFilter(box, table);
    });

    const tip = document.createElement("div");
    tip.id = "tip";
    tip.hidden = true;
    tip.setAttribute("aria-hidden", "true"); // a screen reader reads the point's own label
    document.body.append(tip);

    let shown = null;

    function showTip(point) {
        shown = point;
        const at = point.getBoundingClientRect();
        tip.textContent = point.getAttribute("aria-label");
        tip.hidden = false;
        const left = Math.min(at.right + 8, document.documentElement.clientWidth - tip.offsetWidth - 4);
        tip.style.left = Math.max(4, left) + window.scrollX + "px";
        tip.style.top = Math.max(4, at.top - tip.offsetHeight - 6) + window.scrollY + "px";
    }

    function hideTip() {
        shown = null;
        tip.hidden = true;
    }

    document.querySelectorAll("figure svg").forEach(svg => {
        const points = Array.from(svg.querySelectorAll("a.point, g.point"));
        points.forEach((point, at) => {
            const title = point.querySelector("title");
            point.setAttribute("aria-label", title.textContent);
            title.remove(); // or the browser shows a second tip
            point.addEventListener("mouseenter", () => showTip(point));
            point.addEventListener("mouseleave", hideTip);
            point.addEventListener("focus", () => showTip(point));
            point.addEventListener("blur", hideTip);
            // A finger cannot hover: the first tap shows the values, the second follows the link.
            let wasShown = false;
            point.addEventListener("pointerdown", () => { wasShown = shown === point; });
            point.addEventListener("click", event => {
                if (event.pointerType === "touch" && !wasShown) event.preventDefault();
            });
            point.addEventListener("keydown", event => {
                const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
                const next = points[at + step];
                if (event.key === "Escape") hideTip();
                if (!next) return;
                event.preventDefault();
                point.setAttribute("tabindex", "-1");
                next.setAttribute("tabindex", "0");
                next.focus();
            });
        });
    });

    // A link to samples, or to a folded section, opens what it leads to.
    function openTarget() {
        const target = location.hash && document.getElementById(location.hash.slice(1));
        if (!target) return;
        const first = target.querySelector(":scope > details");
        if (first) first.open = true;
        for (let at = target; at; at = at.parentElement)
            if (at.tagName === "DETAILS") at.open = true;
        target.scrollIntoView();
        const summary = target.querySelector("summary");
        if (summary) summary.focus({ preventScroll: true });
    }
    window.addEventListener("hashchange", openTarget);
    document.addEventListener("click", event => {
        const link = event.target.closest("a[href^='#']");
        if (link && link.getAttribute("href") === location.hash) openTarget();
    });
    openTarget();

    // Paper has no folds.
    let folded = [];
    window.addEventListener("beforeprint", () => {
        folded = Array.from(document.querySelectorAll("section > details:not([open])"));
        folded.forEach(part => { part.open = true; });
    });
    window.addEventListener("afterprint", () => folded.forEach(part => { part.open = false; }));
})();
