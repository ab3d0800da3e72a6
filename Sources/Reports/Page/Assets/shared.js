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

  function watch(chart) {
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
  }
  all('.chart').forEach(watch);
  addEventListener('scroll', () => show(null), { passive: true });
  addEventListener('keydown', event => { if (event.key === 'Escape') show(null); });
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
