(() => {
  'use strict';
  const data = JSON.parse(document.getElementById('report-data').textContent);
  const points = new Map(data.points.map(point => [point.index, point]));
  const all = selector => Array.from(document.querySelectorAll(selector));
  document.documentElement.classList.add('script');
  const layers = document.getElementById('layers');
  const menu = document.getElementById('choose');
  const step = (kept, whole) =>
    kept > 0 && whole > 0 ? String(Math.min(10, Math.round(kept / whole * 10))) : 'none';
  const fill = (cell, kept, whole, text) => {
    cell.dataset.step = step(kept, whole);
    cell.textContent = kept > 0 ? text : '–';
  };

  function choose(index) {
    const point = points.get(index);
    if (!point || !layers) return;
    Array.from(layers.children).forEach((tile, layer) => {
      const groups = point.kvGroups[layer], channels = point.mlpChannels[layer];
      const share = Math.round(channels / Math.max(1, data.mlpChannels) * 100);
      const text = `Layer ${layer}: ${groups} of ${data.kvGroups} KV groups, ` +
        `${channels} of ${data.mlpChannels} MLP channels (${share} %)`;
      tile.title = text;
      tile.setAttribute('aria-label', text);
      fill(tile.children[1], groups, data.kvGroups, String(groups));
      fill(tile.children[2], channels, data.mlpChannels, String(share));
    });
    document.getElementById('chosen').textContent = point.caption;
    document.getElementById('command-hf').textContent = point.hf;
    document.getElementById('command-gguf').textContent = point.gguf;
    menu.value = String(index);
    all('tr[data-point]').forEach(row => {
      if (Number(row.dataset.point) === index) row.setAttribute('aria-current', 'true');
      else row.removeAttribute('aria-current');
    });
    all('.chart [data-point]').forEach(mark =>
      mark.classList.toggle('is-chosen', Number(mark.dataset.point) === index));
  }

  if (menu) {
    document.querySelector('.choose').hidden = false;
    menu.addEventListener('change', () => choose(Number(menu.value)));
    all('[data-choose]').forEach(link =>
      link.addEventListener('click', () => choose(Number(link.dataset.choose))));
    all('tr[data-point]').forEach(row => row.addEventListener('click', event => {
      if (!event.target.closest('a')) choose(Number(row.dataset.point));
    }));
    all('.chart a').forEach(link => link.addEventListener('click', event => {
      event.preventDefault();
      choose(Number(link.querySelector('[data-point]').dataset.point));
    }));
    choose(data.chosen);
  }
  /* shared */
  /* explorer */
})();
