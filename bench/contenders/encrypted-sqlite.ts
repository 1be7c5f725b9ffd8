/** SQLite with encrypted pages, as libsql ships it: SQLite3 Multiple Ciphers, AES-256-CBC, WAL, each commit synced. */
import Database from 'libsql'

/** What a store of keys and values is compared by. */
export interface Rows {
  /** Each row a transaction of its own, so that each is a durable promise of its own. */
  each(rows: number, value: Uint8Array): Promise<void>
  /** All rows in one transaction: durable together, or none. */
  together(rows: number, value: Uint8Array): Promise<void>
  close(): void
}

export interface EncryptedOptions {
  /** Hexadecimal. */
  readonly key: string
  /** How many there are: rows after that replace earlier ones. */
  readonly keys: number
}

/** Options that its own types leave out. */
interface Encryption {
  readonly encryptionCipher: 'aes256cbc'
  readonly encryptionKey: string
}

const UPSERT = 'INSERT INTO item VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value'

/** @throws Error when it would not sync each commit */
export function openEncryptedSqlite(path: string, { key, keys }: EncryptedOptions): Rows {
  const options: Encryption & Database.Options = { encryptionCipher: 'aes256cbc', encryptionKey: key }
  const database = new Database(path, options)
  database.pragma('journal_mode=WAL')
  database.pragma('synchronous=FULL')
  database.exec('CREATE TABLE item (key TEXT PRIMARY KEY, value BLOB)')
  const upsert = database.prepare(UPSERT)
  let at = 0
  const put = (value: Uint8Array): void => {
    // What changes nothing SQLite does not write.
    value[0] = at
    upsert.run(`k${at++ % keys}`, value)
  }
  const putAll = database.transaction((rows: number, value: Uint8Array) => {
    for (let row = 0; row < rows; row++) put(value)
  })
  return {
    each(rows, value) {
      for (let row = 0; row < rows; row++) put(value)
      return Promise.resolve()
    },
    together(rows, value) {
      putAll(rows, value)
      return Promise.resolve()
    },
    close: () => database.close(),
  }
}
