/** A place on the globe, and how to say it less precisely. */

export interface Position {
  /** Degrees, -90 to 90. */
  readonly latitude: number
  /** Degrees, -180 to 180. */
  readonly longitude: number
  /** Metres around it, by the device. */
  readonly accuracy?: number
  /** Milliseconds since the epoch. */
  readonly at: number
}

/** Metres in a degree of latitude. */
const DEGREE_METRES = 111_320

/**
 * The position rounded to so many decimals of a degree, with an accuracy that says so: half the cell's diagonal, at
 * least. What was rounded away cannot be had from it.
 */
export function coarse({ latitude, longitude, accuracy = 0, at }: Position, decimals: number): Required<Position> {
  const cell = DEGREE_METRES / 10 ** decimals
  return {
    latitude: rounded(latitude, decimals),
    longitude: rounded(longitude, decimals),
    accuracy: Math.ceil(Math.max(accuracy, cell * Math.SQRT1_2)),
    at,
  }
}

function rounded(degrees: number, decimals: number): number {
  const scale = 10 ** decimals
  // Never -0: it would tell the side of the line that was rounded to.
  return Math.round(degrees * scale) / scale + 0
}
