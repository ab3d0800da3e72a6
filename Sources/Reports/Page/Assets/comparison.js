(() => {
  'use strict';
  const all = selector => Array.from(document.querySelectorAll(selector));
  document.documentElement.classList.add('script');
  all('#series li[data-series]').forEach(item => {
    const button = document.createElement('button');
    button.type = 'button';
    button.append(...item.childNodes);
    button.setAttribute('aria-pressed', 'true');
    button.addEventListener('click', () => {
      const shown = button.getAttribute('aria-pressed') !== 'true';
      button.setAttribute('aria-pressed', String(shown));
      all(`.chart [data-series="${item.dataset.series}"]`).forEach(line => {
        line.style.display = shown ? '' : 'none';
      });
    });
    item.append(button);
  });
  /* shared */
})();
