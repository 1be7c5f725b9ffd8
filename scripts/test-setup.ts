/** Runs once before the tests: filled in by the plug-in build. */
export function setup(): void {}
