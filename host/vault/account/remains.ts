/** What sharing cannot take back, in words for the owner. */
export const remains: readonly string[] = [
  'what their devices opened before: they may have kept it, and nobody can know',
  'versions from now on are not for them, and this vault gives them none of the earlier ones any more',
]
