/// The page's script. The page says everything without it; with it, points can be chosen, tooltips follow the pointer
/// and commands can be copied. Text reaches the document as text only, never as markup.
enum PageScript {
  static let source = """
    (() => {
      'use strict';
      const data = JSON.parse(document.getElementById('report-data').textContent);
      const points = new Map(data.points.map(point => [point.index, point]));
      const all = selector => Array.from(document.querySelectorAll(selector));
      document.documentElement.classList.add('script');
    \(choosing)
    \(tooltips)
    \(copying)
    })();
    """

  /// Shows another point in the heat map, the chart, the table and the commands.
  private static let choosing = """
      const layers = document.getElementById('layers');
      const menu = document.getElementById('choose');
      const step = (kept, whole) =>
        kept > 0 && whole > 0 ? String(Math.min(10, Math.round(kept / whole * 10))) : 'none';
      const fill = (cell, kept, whole, text) => {
        cell.dataset.step = step(kept, whole);
        cell.textContent = kept > 0 ? text : '\u{2013}';
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
    """

  /// One tooltip for the mark nearest to the pointer or the finger, in place of the browser's own.
  static let tooltips = """
      const tip = document.body.appendChild(document.createElement('div'));
      tip.id = 'tip';
      tip.hidden = true;
      tip.setAttribute('aria-hidden', 'true');
      let near = null;

      function show(mark) {
        if (near) near.classList.remove('near');
        near = mark;
        tip.hidden = !mark;
        if (!mark) return;
        mark.classList.add('near');
        tip.textContent = mark.dataset.tip;
        const box = mark.getBoundingClientRect(), size = tip.getBoundingClientRect();
        const left = box.left + box.width / 2 - size.width / 2;
        tip.style.left = Math.max(6, Math.min(left, document.documentElement.clientWidth - size.width - 6)) + 'px';
        tip.style.top = (box.top - size.height - 8 > 0 ? box.top - size.height - 8 : box.bottom + 8) + 'px';
      }

      all('.chart').forEach(chart => {
        const marks = Array.from(chart.querySelectorAll('[data-x]')).filter(mark => {
          const title = mark.querySelector('title');
          if (!title) return false;
          mark.dataset.tip = title.textContent;
          title.remove();
          return true;
        });
        const nearest = event => {
          const box = chart.getBoundingClientRect();
          const scale = chart.viewBox.baseVal.width / box.width;
          const x = (event.clientX - box.left) * scale, y = (event.clientY - box.top) * scale;
          let best = null, bound = (event.pointerType === 'touch' ? 24 : 12) * scale;
          for (const mark of marks) {
            if (mark.getClientRects().length === 0) continue;
            const bonus = mark.classList.contains('trial') ? 0 : 3;
            const distance = Math.hypot(mark.dataset.x - x, mark.dataset.y - y) - bonus;
            if (distance < bound) { best = mark; bound = distance; }
          }
          return best;
        };
        chart.addEventListener('pointermove', event => show(nearest(event)));
        chart.addEventListener('pointerdown', event => show(nearest(event)));
        chart.addEventListener('pointerleave', event => { if (event.pointerType !== 'touch') show(null); });
        chart.addEventListener('focusin', event => show(event.target.querySelector('[data-tip]')));
        chart.addEventListener('focusout', () => show(null));
      });
      addEventListener('scroll', () => show(null), { passive: true });
      addEventListener('keydown', event => { if (event.key === 'Escape') show(null); });
    """

  /// A button beside every command; where the clipboard is closed, the command is selected instead.
  static let copying = """
      all('.command').forEach(box => {
        const text = box.querySelector('pre');
        const button = box.appendChild(document.createElement('button'));
        button.type = 'button';
        button.textContent = 'Copy';
        button.addEventListener('click', async () => {
          try {
            await navigator.clipboard.writeText(text.textContent);
            button.textContent = 'Copied';
          } catch {
            getSelection().selectAllChildren(text);
            button.textContent = 'Selected';
          }
          setTimeout(() => { button.textContent = 'Copy'; }, 2000);
        });
      });
    """
}
