/** Puts a text on the clipboard, on plain HTTP too, where browsers have no navigator.clipboard. */
export async function copyText(text: string): Promise<void> {
  if (navigator.clipboard && window.isSecureContext) {
    try {
      return await navigator.clipboard.writeText(text);
    } catch {
      // not permitted: the old way may be
    }
  }
  const area = document.createElement('textarea');
  area.value = text;
  area.setAttribute('readonly', '');
  area.className = 'fixed top-0 opacity-0';
  // Inside an open dialog nothing outside of it takes the focus.
  (document.querySelector('dialog[open]') ?? document.body).append(area);
  const before = document.activeElement as HTMLElement | null;
  area.select();
  document.execCommand('copy');
  area.remove();
  before?.focus();
}
