/** `trellis demo --story`: one of the examples in which two people share a sandbox, with all that it asserts. */
import { Refusal } from '../errors.ts'

/** Loading one plays it: an assertion that fails is thrown. */
const stories: Readonly<Record<string, () => Promise<unknown>>> = {
  'doctor-patient': () => import('../../examples/doctor-patient.ts'),
  'employer-employee': () => import('../../examples/employer-employee.ts'),
  'buyer-seller': () => import('../../examples/buyer-seller.ts'),
}

const storyNames = Object.keys(stories)

/** @throws Refusal `command-invalid` for a name that is none, or what the story throws when it goes wrong */
export async function playStory(name: string): Promise<void> {
  const play = Object.hasOwn(stories, name) ? stories[name] : undefined
  if (!play) throw new Refusal('command-invalid', `no story ${name}: there are ${storyNames.join(', ')}`)
  await play()
}
