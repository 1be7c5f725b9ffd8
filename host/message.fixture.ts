/** What came of something that may be refused: `done`, or the message. */
export function messageOf(act: () => unknown): string {
  try {
    act()
    return 'done'
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
