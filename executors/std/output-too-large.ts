/** A command wrote more than is kept. */
export class OutputTooLarge extends Error {
  override readonly name = 'OutputTooLarge';
}
