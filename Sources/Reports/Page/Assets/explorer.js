  const explorer = document.getElementById('explorer');
  const everything = data.evaluations.map(([number, ...values]) => (
    { kind: 'evaluation', name: `evaluation ${number}`, label: '', point: null, values })).concat(data.plotted);
  const menus = explorer ? ['axis-x', 'axis-y'].map(id => document.getElementById(id)) : [];

  function scale(values, wanted) {
    const low = Math.min(...values), high = Math.max(...values);
    const least = Math.min(...values.filter(value => value > 0));
    const clamp = share => Math.min(1, Math.max(0, share));
    if (low >= 0 && high / least > 20) {
      const from = Math.log10(least / 1.25), to = Math.log10(high * 1.25), ticks = [];
      for (let power = Math.floor(from); power <= Math.ceil(to); power++) {
        for (const factor of to - from <= wanted / 2.5 ? [1, 2, 5] : [1]) {
          const tick = factor * 10 ** power;
          if (Math.log10(tick) >= from && Math.log10(tick) <= to) ticks.push(tick);
        }
      }
      return { ticks, isLog: true, at: value => value > 0 ? clamp((Math.log10(value) - from) / (to - from)) : 0 };
    }
    const room = 0.05 * (high - low) || 0.1 * Math.abs(high) || 0.5;
    const from = low >= 0 && low < 0.4 * high ? 0 : low - room, to = high + room;
    const rough = (to - from) / wanted, power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 2.5, 5, 10].map(factor => factor * power).find(size => size >= rough * (1 - 1e-9));
    const ticks = [];
    for (let tick = Math.ceil(from / step - 1e-9); tick * step <= to; tick++) ticks.push(tick * step);
    return { ticks, isLog: false, at: value => clamp((value - from) / (to - from)) };
  }

  /* Places of the points that no other beats in both values, the best in the first value first. */
  function frontOf(points, x, y) {
    const sign = axis => data.axes[axis].up ? -1 : 1;
    const order = points.slice().sort((one, other) =>
      sign(x) * (one.values[x] - other.values[x]) || sign(y) * (one.values[y] - other.values[y]));
    let best = Infinity;
    return order.filter(point => {
      const value = sign(y) * point.values[y];
      if (value >= best) return false;
      best = value;
      return true;
    });
  }

  function drawAxes(x, y) {
    const isOfFiles = data.axes[x].files || data.axes[y].files;
    const points = everything.filter(point => point.values[x] !== null && point.values[y] !== null
      && (isOfFiles || point.kind !== 'file' && point.kind !== 'denseFile'));
    const isNarrow = explorer.clientWidth < 560;
    const [width, height, left, right, top, bottom] = isNarrow ? [340, 320, 52, 14, 26, 42] : [760, 400, 52, 14, 26, 42];
    const old = explorer.querySelector('svg');
    const chart = old.cloneNode(false);
    chart.setAttribute('viewBox', `0 0 ${width} ${height}`);
    const add = (parent, name, attributes, text) => {
      const element = document.createElementNS(old.namespaceURI, name);
      for (const key in attributes) element.setAttribute(key, attributes[key]);
      if (text !== undefined) element.textContent = text;
      return parent.appendChild(element);
    };
    const scales = [x, y].map((axis, place) => scale(
      points.length ? points.map(point => point.values[axis]) : [0, 1], isNarrow && !place ? 4 : 6));
    const px = value => left + (width - left - right) * scales[0].at(value);
    const py = value => height - bottom - (height - top - bottom) * scales[1].at(value);
    const number = value => String(Number(value.toPrecision(4)));
    const title = (axis, place) => data.axes[axis].title + (scales[place].isLog ? ' (log scale)' : '');
    for (const tick of scales[1].ticks) {
      const at = height - bottom - (height - top - bottom) * scales[1].at(tick);
      add(chart, 'line', { class: 'grid', x1: left, y1: at, x2: width - right, y2: at });
      add(chart, 'text', { class: 'tick', x: left - 6, y: at + 4, 'text-anchor': 'end' }, number(tick));
    }
    for (const tick of scales[0].ticks) {
      const at = left + (width - left - right) * scales[0].at(tick);
      add(chart, 'line', { class: 'grid', x1: at, y1: height - bottom, x2: at, y2: top });
      add(chart, 'text', { class: 'tick', x: at, y: height - bottom + 16, 'text-anchor': 'middle' }, number(tick));
    }
    add(chart, 'line', { class: 'axis', x1: left, y1: height - bottom, x2: width - right, y2: height - bottom });
    add(chart, 'line', { class: 'axis', x1: left, y1: height - bottom, x2: left, y2: top });
    add(chart, 'text', { class: 'axis-title', x: (left + width - right) / 2, y: height - 6, 'text-anchor': 'middle' },
      title(x, 0));
    add(chart, 'text', { class: 'axis-title', x: 4, y: 14, 'text-anchor': 'start' }, title(y, 1));
    const front = frontOf(points.filter(point => point.kind !== 'baseline' && point.kind !== 'dense'), x, y);
    const corners = front.flatMap((point, place) => {
      const own = `${px(point.values[x])},${py(point.values[y])}`;
      return place ? [`${px(point.values[x])},${py(front[place - 1].values[y])}`, own] : [own];
    });
    if (corners.length) add(chart, 'polyline', { class: 'front-line', points: corners.join(' ') });
    const rank = point => (point.kind === 'evaluation' ? 0 : 2) + (front.includes(point) ? 1 : 0);
    for (const point of points.slice().sort((one, other) => rank(one) - rank(other))) {
      const at = [px(point.values[x]), py(point.values[y])], isFront = front.includes(point);
      const isRing = point.kind === 'dense' || point.kind === 'denseFile';
      const name = isRing ? 'dense' : point.kind === 'baseline' ? 'baseline' : isFront ? 'front' : 'trial';
      const place = { class: name, 'data-x': at[0], 'data-y': at[1] };
      const mark = point.kind === 'baseline'
        ? add(chart, 'polygon', { ...place, points: [[0, -6], [6, 4.5], [-6, 4.5]]
          .map(([dx, dy]) => `${at[0] + dx},${at[1] + dy}`).join(' ') })
        : add(chart, 'circle', { ...place, cx: at[0], cy: at[1], r: isRing ? 5.5 : isFront ? 4.5 : 3 });
      const values = [x, y].map(axis => `${data.axes[axis].title}: ${number(point.values[axis])}`);
      add(mark, 'title', {}, [point.name, ...values].join('\n'));
      if (point.label) {
        const isLast = at[0] > width - 90;
        add(chart, 'text', { class: 'label', x: at[0] + (isLast ? -9 : 9), y: at[1] + 4,
          'text-anchor': isLast ? 'end' : 'start' }, point.label);
      }
      if (point.point !== null) mark.addEventListener('click', () => choose(point.point));
    }
    old.replaceWith(chart);
    watch(chart);
    const count = points.filter(point => point.kind !== 'baseline' && point.kind !== 'dense').length;
    document.getElementById('explored').textContent = points.length
      ? `${front.length} of ${count} points drawn are on the front of these two axes.` : 'No point has both values.';
  }

  if (explorer) {
    const draw = () => drawAxes(Number(menus[0].value), Number(menus[1].value));
    let width = 0;
    document.getElementById('axes').hidden = false;
    menus.forEach(menu => menu.addEventListener('change', draw));
    const redraw = () => {
      if (explorer.clientWidth === width) return;
      width = explorer.clientWidth;
      draw();
    };
    addEventListener('resize', redraw);
    redraw();
  }
