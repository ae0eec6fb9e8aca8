/** Leadership that a test sets. */
export function manualLeading() {
  const listeners = new Set<(leading: boolean) => void>();
  let leads = false;
  return {
    get leading() {
      return leads;
    },
    set: (leading: boolean): void => {
      leads = leading;
      for (const listener of listeners) listener(leading);
    },
    onChange: (listener: (leading: boolean) => void): Disposable => {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
  };
}
