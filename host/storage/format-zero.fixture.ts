/**
 * A log of vault `alice` as hosts wrote it before there were snapshots: state format 0, key epoch 0. Its key is
 * `kekOf('alice')`; three commits follow the birth.
 */
const BASE64 = [
  'AAAARQFf2NBVisD4J1tfpwUZaZQCXxdWr6hlEva4ETA3H8NipAAAAAAAAAAB10+xaodgLtfyGXTsvU5hMyYUtMpbhObfAAABLAFf',
  '2NBVisD4J1tfpwUZaZQCXxdWr6hlEva4ETA3H8NipAAAAAAAAAACy0LRFpDos9WxvnQ43wLGNNK5wf4DxWJ2Gtie00zlTJOIMAvS',
  'lqFrsJ6MqHYRvlDxSqpKFihGwmOLIM2KR4TY9Wh02ZB9erZBJLhMqYT7PJArexltuGiKLzayzIRZq4uNTKX8+VYj4StaPeqhHtld',
  'q1wLljgq2HxqSNJ9DBu4bRirwVNiZsnEBWsFpyx/3zQi8W7T+ZOKbNRv4GaHrjuvwJ6265YR/XYVREhbYKw+PNYpDI/zCE2RDAN0',
  '+6819cppvKehFv71x+x7C0Rq6Pb5Pnhwm/fqJgCgrYaM+bZvelzIrmDSUiPGwuWj8EirKs8F4jJJiJcan78MPSs2BfNlAAABDQFf',
  '2NBVisD4J1tfpwUZaZQCXxdWr6hlEva4ETA3H8NipAAAAAAAAAADOxC3sgb8AoR4VTv87/mcLGG8S7mAgMlra6hIIlv7SvnfJUaR',
  'gdeEDbY4l1XySmyCWgtTdCmfYL6nXJYZInfpO96SYLc5j+BvQdqVVGF32QVBFQhyuI5YEmQnHq4CIGWdj/0iHV8cUVVdeHTcHWfl',
  'hu2s9kZzZ/aIKu7Q84YrS9LE8pB3sEOJcF4fceY02LTGzR4ySiEDgNR45r7AfeZnGARBywIfHW9Il+rEUq+YqEOO89yyge09oJ7G',
  'vbxdnSTChX9KHUi67dvSSFwNnfkl3w+LmFgX9H0gxTjgWFRBTMsAAACfAV/Y0FWKwPgnW1+nBRlplAJfF1avqGUS9rgRMDcfw2Kk',
  'AAAAAAAAAATx4PlpYceDszuguP5dvvejN/zH+RBK0BxPyONVm1N4VTXAx3s3PpVJOB22Hs3SyyXgejYzyu7Lk1BHgixxfE+03wgI',
  'g95ZtN3mU+VWbN72F4xkMmoTNnftg+dVUT2bKG/Q3ucPTwtmYVYbeb/qeqo4RjI=',
].join('')

export function formatZeroLog(): Uint8Array {
  return Uint8Array.fromBase64(BASE64)
}
