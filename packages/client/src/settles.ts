/** True when `work` settles, either way, within `ms`. */
export async function settles(work: Promise<unknown>, ms: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), ms);
  const settled = (): void => resolve(true);
  work.then(settled, settled);
  const result = await promise;
  clearTimeout(timer);
  return result;
}
