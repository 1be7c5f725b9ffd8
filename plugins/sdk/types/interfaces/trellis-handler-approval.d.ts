declare module 'trellis:handler/approval@0.1.0' {
  export function current(): Answer
  export type Answer = AnswerNone | AnswerYes | AnswerChosen
  /**
   * Nobody was asked yet.
   */
  export interface AnswerNone {
    tag: 'none'
  }
  export interface AnswerYes {
    tag: 'yes'
  }
  /**
   * One of the choices, to the letter.
   */
  export interface AnswerChosen {
    tag: 'chosen'
    val: string
  }
}
