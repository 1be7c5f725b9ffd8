/** WIT's kebab-case labels as JavaScript keys: `deadline-ms` is `deadlineMs`, as in jco's types. */
export function camelCase(label: string): string {
  return label
    .split('-')
    .map((word) => word.toLowerCase())
    .map((word, index) => (index === 0 ? word : word.charAt(0).toUpperCase() + word.slice(1)))
    .join('')
}
