// The dashboard's own script: charts, "choose all", and going on after a link from elsewhere.
(function () {
  "use strict";

  // A link from another site arrives without the strict cookie: ask from here, where it is sent, and go on.
  var signIn = document.querySelector("form[data-next]");
  if (signIn && !signIn.hasAttribute("data-wrong")) {
    fetch("/session?quiet").then(function (answer) {
      if (answer.status === 204) location.replace(signIn.dataset.next);
    });
  }

  document.addEventListener("change", function (event) {
    var box = event.target;
    if (box.id === "all") {
      document.querySelectorAll('input[name="job"]').forEach(function (other) { other.checked = box.checked; });
    } else if (box.matches && box.matches("select[data-submit]")) {
      box.form.requestSubmit();
    }
  });
  // A refresh would take away what somebody is choosing, or close what they opened.
  document.addEventListener("htmx:beforeRequest", function (event) {
    if (event.target.id === "live" && document.querySelector('input[name="job"]:checked, #live details[open]')) event.preventDefault();
    if (document.hidden) event.preventDefault();
  });

  function colour(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }
  function number(unit, value) {
    if (value == null) return "";
    if (unit !== "$") return String(Math.round(value));
    return "$" + (Math.abs(value) >= 1000 ? value.toFixed(0) : Math.abs(value) >= 0.1 ? value.toFixed(2) : value === 0 ? "0" : value.toPrecision(2));
  }

  // Bars stand on each other: each series is drawn as the sum up to it, the largest first, so that none hides another.
  function stack(series) {
    var sums = [], below = null;
    series.forEach(function (one) {
      below = one.values.map(function (value, at) { return value + (below ? below[at] : 0); });
      sums.push(below);
    });
    return sums;
  }

  function draw(box, chart) {
    var bars = chart.kind === "bars", drawn = bars ? stack(chart.series) : chart.series.map(function (one) { return one.values; });
    var order = chart.series.map(function (_, at) { return at; });
    if (bars) order.reverse();
    var grid = { stroke: colour("--line"), width: 1 }, ink = colour("--soft");
    var series = [{}].concat(order.map(function (at) {
      var tone = colour("--c" + (at % 7 + 1));
      return {
        label: chart.series[at].label, stroke: tone, width: bars ? 0 : 2, fill: bars ? tone : undefined, points: { show: false },
        paths: bars ? uPlot.paths.bars({ size: [0.7, 48] }) : uPlot.paths.stepped({ align: 1 })
      };
    }));
    var options = {
      width: box.clientWidth, height: 220, legend: { show: false }, cursor: { show: false }, series: series,
      tzDate: function (seconds) { return uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"); },
      scales: { y: { range: function (_, low, high) { return [0, high > 0 ? high * 1.08 : 1]; } },
                x: { range: function (_, low, high) { var room = bars ? 43200 : 0; return [low - room, high + room]; } } },
      axes: [{ stroke: ink, grid: { show: false }, ticks: grid, values: bars ? function (_, at) { return at.map(function (x) { var d = new Date(x * 1000); return (d.getUTCMonth() + 1) + "/" + d.getUTCDate(); }); } : undefined,
               splits: bars ? function () { var step = Math.ceil(chart.x.length / Math.max(2, box.clientWidth / 60)); return chart.x.filter(function (_, at) { return at % step === 0; }); } : undefined },
             { stroke: ink, grid: grid, ticks: grid, size: 58, values: function (_, at) { return at.map(function (v) { return number(chart.unit, v); }); } }]
    };
    box.replaceChildren();
    if (!chart.x.length) {
      var none = document.createElement("p");
      none.className = "soft";
      none.textContent = "Nothing in this time.";
      box.append(none);
      return;
    }
    var data = [chart.x].concat(order.map(function (at) { return drawn[at]; }));
    new uPlot(options, data, box);
    var legend = document.createElement("div");
    legend.className = "legend";
    chart.series.forEach(function (one, at) {
      var name = document.createElement("span"), last = one.values[one.values.length - 1];
      var shown = bars ? one.values.reduce(function (sum, value) { return sum + value; }, 0) : last;
      name.className = "s" + at % 7;
      name.textContent = one.label + " " + number(chart.unit, shown);
      legend.append(name);
    });
    box.append(legend);
  }

  function load(box) {
    return fetch(box.dataset.chart, { headers: { "HX-Request": "true" } }).then(function (answer) {
      return answer.ok ? answer.json() : null;
    }).then(function (chart) {
      if (!chart) return;
      box.chart = chart;
      draw(box, chart);
      box.setAttribute("data-ready", "");
    }).catch(function () { /* The next turn asks again. */ });
  }

  function all(what) { document.querySelectorAll("[data-chart]").forEach(what); }
  function again() { all(function (box) { if (box.chart) draw(box, box.chart); }); }
  all(load);
  setInterval(function () { if (!document.hidden) all(load); }, 60000);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
  var waiting;
  addEventListener("resize", function () { clearTimeout(waiting); waiting = setTimeout(again, 150); });
})();
