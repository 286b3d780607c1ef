// SPDX-License-Identifier: MIT
// What only a script can do on the page: filter by contender, zoom, save pictures. Everything else is in the file as it is.
"use strict";
(function () {
	document.documentElement.classList.add("js");

	// Filtering: rows and lines of contenders whose names hold none of the words vanish.
	var input = document.getElementById("filter"), found = document.getElementById("found");

	function filter() {
		var words = input.value.toLowerCase().split(/[\s,]+/).filter(Boolean), shown = new Set(), all = new Set();

		document.querySelectorAll("[data-c]").forEach(function (element) {
			var name = element.getAttribute("data-c"), fits = !words.length || words.some(function (word) {
				return name.toLowerCase().includes(word);
			});

			all.add(name);
			if (fits)
				shown.add(name);
			element.classList.toggle("filtered", !fits);
		});
		found.textContent = words.length ? " " + shown.size + " of " + all.size : "";
		document.querySelectorAll(".panel").forEach(function (panel) {
			if (panel.chart)
				panel.chart.apply(words);
		});
	}
	input.addEventListener("input", filter);
	input.form.addEventListener("submit", function (event) { event.preventDefault(); });

	// A picture as a file: light, with its own style, like those of mmlab report --svg.
	function standalone(svg) {
		var copy = svg.cloneNode(true), style = document.createElementNS("http://www.w3.org/2000/svg", "style");

		style.textContent = document.getElementById("file-style").textContent;
		copy.insertBefore(style, copy.firstChild);
		copy.setAttribute("width", svg.viewBox.baseVal.width);
		copy.setAttribute("height", svg.viewBox.baseVal.height);
		copy.querySelectorAll(".filtered").forEach(function (element) { element.remove(); });
		return new XMLSerializer().serializeToString(copy);
	}

	function save(blob, name) {
		var link = document.createElement("a");

		link.href = URL.createObjectURL(blob);
		link.download = name;
		link.click();
		setTimeout(function () { URL.revokeObjectURL(link.href); }, 10000);
	}

	function savePng(svg, name) {
		var box = svg.viewBox.baseVal, image = new Image();

		image.onload = function () {
			var canvas = document.createElement("canvas");

			canvas.width = box.width * 2;
			canvas.height = box.height * 2;
			canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
			canvas.toBlob(function (blob) { save(blob, name); }, "image/png");
		};
		image.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(standalone(svg));
	}

	// The same lines as a chart that can be zoomed and read off.
	function colour(svg, style) {
		var probe = document.createElementNS("http://www.w3.org/2000/svg", "g"), value;

		probe.setAttribute("class", style);
		svg.appendChild(probe);
		value = getComputedStyle(probe).getPropertyValue("--c").trim() || getComputedStyle(svg).getPropertyValue("--soft").trim();
		probe.remove();
		return value;
	}

	function chart(panel, svg, data) {
		var place = document.createElement("div"), label = document.createElement("p"), at = 0, plot;
		var ink = getComputedStyle(svg).getPropertyValue("--ink").trim(), grid = getComputedStyle(svg).getPropertyValue("--grid").trim();
		var series = data.series.filter(function (line) { return line.role !== "envelope"; });
		var axis = { stroke: ink, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 } };

		function amount(value) {
			var names = data.y.unit === "ns" ? ["ns", "us", "ms", "s"] : data.y.unit === "bytes" ? ["B", "KiB", "MiB", "GiB"] : [""];
			var step = data.y.unit === "ns" ? 1000 : 1024, i = 0;

			while (Math.abs(value) >= step && i < names.length - 1) {
				value /= step;
				i++;
			}
			return +value.toPrecision(3) + " " + names[i];
		}

		place.className = "chart";
		place.tabIndex = 0;
		place.setAttribute("aria-label", data.title + ". Arrow keys go from point to point, + and - zoom, Escape shows everything.");
		label.className = data.execution.indexOf("EMULATED") ? "execution" : "execution emulated";
		label.textContent = data.execution;
		place.appendChild(label);
		panel.insertBefore(place, svg);
		plot = new uPlot({
			title: data.title,
			width: Math.max(300, panel.clientWidth - 12),
			height: 340,
			cursor: { drag: { x: true, y: true, uni: 20 } },
			scales: { x: { time: false, distr: data.x.log ? 3 : 1 }, y: { distr: data.y.log ? 3 : 1 } },
			axes: [
				Object.assign({}, axis, {
					label: data.x.name,
					// The points that were measured, as many as there is room for.
					splits: function (u) {
						var each = Math.ceil(data.x.values.length * 60 / Math.max(u.width - 80, 60));

						return data.x.values.filter(function (value, i) { return i % each === 0; });
					},
					values: function (u, splits) {
						return splits.map(function (value) { return data.x.texts[data.x.values.indexOf(value)] || ""; });
					},
					filter: function (u, splits) { return splits; },
				}),
				Object.assign({}, axis, {
					size: 70,
					values: function (u, splits) {
						return splits.map(function (value) { return value === null ? "" : amount(value); });
					},
				}),
			],
			series: [{ label: data.x.name, value: function (u, v, s, i) { return i === null ? "-" : data.x.texts[i]; } }].concat(
				series.map(function (line) {
					return {
						label: line.name,
						stroke: colour(svg, line.style),
						width: 1.5,
						dash: line.style === "floor" ? [5, 3] : line.role === "copy" ? [2, 4] : undefined,
						spanGaps: true,
						points: { show: true, size: 5 },
						value: function (u, v, s, i) { return i === null ? "-" : line.texts[i] || "-"; },
					};
				})),
		}, [data.x.values].concat(series.map(function (line) { return line.values; })), place);

		function zoom(by) {
			var x = plot.scales.x, a = data.x.log ? Math.log(x.min) : x.min, b = data.x.log ? Math.log(x.max) : x.max;
			var middle = (a + b) / 2, half = (b - a) / 2 * by;

			plot.setScale("x", data.x.log ? { min: Math.exp(middle - half), max: Math.exp(middle + half) }
				: { min: middle - half, max: middle + half });
		}

		place.addEventListener("keydown", function (event) {
			if (event.key === "ArrowRight" || event.key === "ArrowLeft") {
				at = Math.min(data.x.values.length - 1, Math.max(0, at + (event.key === "ArrowRight" ? 1 : -1)));
				plot.setCursor({ left: plot.valToPos(data.x.values[at], "x"), top: plot.over.clientHeight / 2 });
			} else if (event.key === "+" || event.key === "-") {
				zoom(event.key === "+" ? 0.5 : 2);
			} else if (event.key === "Escape") {
				plot.setData(plot.data);
			} else {
				return;
			}
			event.preventDefault();
		});
		// Names in the legend switch their lines; with the keyboard, too.
		place.querySelectorAll(".u-legend .u-series > th").forEach(function (head, i) {
			head.tabIndex = i ? 0 : -1;
			head.addEventListener("keydown", function (event) {
				if (event.key === "Enter" || event.key === " ") {
					event.preventDefault();
					event.stopPropagation();
					plot.setSeries(i, { show: !plot.series[i].show });
				}
			});
		});
		new ResizeObserver(function () {
			if (panel.clientWidth)
				plot.setSize({ width: Math.max(300, panel.clientWidth - 12), height: 340 });
		}).observe(panel);
		return {
			place: place,
			plot: plot,
			apply: function (words) {
				series.forEach(function (line, i) {
					plot.setSeries(i + 1, { show: !words.length || words.some(function (word) {
						return line.name.toLowerCase().includes(word);
					}) });
				});
			},
		};
	}

	function button(text, act) {
		var made = document.createElement("button");

		made.type = "button";
		made.textContent = text;
		made.addEventListener("click", act);
		return made;
	}

	document.querySelectorAll(".panel").forEach(function (panel) {
		var svg = panel.querySelector("svg"), data = panel.querySelector("script"), tools = document.createElement("div"), zoom;

		tools.className = "tools";
		if (data && typeof uPlot !== "undefined") {
			zoom = button("Zoom and read values", function () {
				var shown = panel.chart && !panel.chart.place.hidden;

				if (!panel.chart)
					panel.chart = chart(panel, svg, JSON.parse(data.textContent));
				panel.chart.place.hidden = shown;
				svg.style.display = shown ? "" : "none";
				zoom.textContent = shown ? "Zoom and read values" : "Back to the picture";
				zoom.setAttribute("aria-expanded", String(!shown));
				if (!shown)
					filter();
			});
			tools.appendChild(zoom);
		}
		tools.appendChild(button("Save SVG", function () {
			save(new Blob([standalone(svg)], { type: "image/svg+xml" }), panel.getAttribute("data-name") + ".svg");
		}));
		tools.appendChild(button("Save PNG", function () { savePng(svg, panel.getAttribute("data-name") + ".png"); }));
		panel.appendChild(tools);
	});
}());
