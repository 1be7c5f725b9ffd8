/** `trellis demo --story`: one of the examples, with all that it asserts. */
/** Loading one plays it: an assertion that fails is thrown. */
const stories: Readonly<Record<string, () => Promise<unknown>>> = {
  'doctor-patient': () => import('../../examples/doctor-patient.ts'),
  'employer-employee': () => import('../../examples/employer-employee.ts'),
  'buyer-seller': () => import('../../examples/buyer-seller.ts'),
  devices: () => import('../../examples/devices.ts'),
  upgrade: () => import('../../examples/upgrade.ts'),
}

/** What may be asked for. */
export const storyNames: readonly string[] = Object.keys(stories)

/** Plays one of `storyNames`. @throws what the story throws when it goes wrong */
export async function playStory(name: string): Promise<void> {
  await stories[name]?.()
}
