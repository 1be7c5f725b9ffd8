/** What an owner's entries are. */

/** Kinds that every owner's device knows. A manifest names more (`needs.kinds`). */
export const commonKinds: readonly string[] = [
  'profile-field',
  'credential',
  'login',
  'key-reference',
  'card',
  'identity',
  'note',
  'file-reference',
]
